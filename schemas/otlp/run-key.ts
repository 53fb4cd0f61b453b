import { hash } from 'node:crypto';
import type { AnyMap, OtlpItem } from './types.ts';

/** Attributes that name the conversation of a record without a trace id, first told wins. */
export const CONVERSATION_ATTRIBUTES = ['gen_ai.conversation.id', 'session.id', 'conversation.id'] as const;

/** The run of a record without a trace id: 128-bit hex over who says it and which conversation it belongs to. */
export const conversationRunKey = (tenant: string, service: string, conversation: string): string =>
  hash('sha256', JSON.stringify([tenant, service, conversation]), 'hex').slice(0, 32);

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

/** The partition key of a span or log record: its trace id, else a hash of its conversation. Immutable (design 3). */
export const runKeyOf = (
  tenant: string,
  item: OtlpItem<{ readonly traceId: string; readonly attributes: AnyMap }>,
): string =>
  item.item.traceId !== ''
    ? item.item.traceId
    : conversationRunKey(tenant, serviceOf(item.resource.attributes), conversationOf(item.item.attributes));
