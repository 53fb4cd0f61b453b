import type { ContentPart } from './step-facts.ts';

/** Last words of a key under which SDKs put language: what people and models wrote, what tools took and gave. */
const INPUT_WORDS =
  /(?:^|[._:])(?:prompts?|inputs?|input[._]?(?:value|messages?|text)|messages?|arguments|args|parameters|params|query|queries|question|instructions?|system[._]?(?:prompt|instructions?)|request[._]?(?:body|text|messages)|llm_request|tool[._]?definitions?|functions?)$/i;
const OUTPUT_WORDS =
  /(?:^|[._:])(?:completions?|outputs?|output[._]?(?:value|messages?|text)|results?|responses?|answer|documents?|response[._]?(?:body|text|messages|object|toolcalls|reasoning)|llm_response|tool[._]?(?:calls?|results?|responses?|output))$/i;
const OTHER_WORDS = /(?:^|[._:])(?:contents?|body|text|object|data|payload|value|values|stdout|stderr|stacktrace)$/i;
/** Flattened lists: `llm.input_messages.0.message.content`. */
const FLATTENED = /\.\d{1,4}\./;
/** Keys of the protocols around the agent end in the same words and hold no language. */
const NOT_CONTENT =
  /^(?:http|url|net|network|server|client|db\.system|rpc|process|code|telemetry|service|host|os|k8s|cloud)\b/;

/**
 * Which way the content of an attribute goes, judged by its key alone; undefined when the key names no content.
 * `attribute`: content of no clear direction.
 */
export const contentDirection = (key: string): ContentPart['direction'] | undefined => {
  if (NOT_CONTENT.test(key)) return undefined;
  if (FLATTENED.test(key)) return /output|completion|choice|document|result/i.test(key) ? 'output' : 'input';
  if (INPUT_WORDS.test(key)) return 'input';
  if (OUTPUT_WORDS.test(key)) return 'output';
  return OTHER_WORDS.test(key) ? 'attribute' : undefined;
};
