import type { AnyMap } from './types.ts';

/** Attributes that name the conversation of a record without a trace id, first told wins. */
export const CONVERSATION_ATTRIBUTES = ['gen_ai.conversation.id', 'session.id', 'conversation.id'] as const;

/** Conversation named by the attributes, '' when none is. */
export const conversationOf = (attributes: AnyMap): string => {
  for (const key of CONVERSATION_ATTRIBUTES) {
    const value = attributes.get(key);
    if (typeof value === 'string' && value !== '') return value;
  }
  return '';
};

/** `service.name` of a resource, '' when it is not told. */
export const serviceOf = (attributes: AnyMap): string => {
  const name = attributes.get('service.name');
  return typeof name === 'string' ? name : '';
};
