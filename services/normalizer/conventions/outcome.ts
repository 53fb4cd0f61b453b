import type { SpanView } from '../span-view.ts';
import { asText, countAttr, keySet, textAttr } from './values.ts';

/** What failed, by real signs: error.type, an exception event, an HTTP status of the call, or the status itself. */
export interface OutcomeFacts {
  readonly isFailed: boolean;
  readonly errorType: string | undefined;
  readonly errorMessage: string | undefined;
}

const HTTP_STATUS = keySet('http.response.status_code', 'http.status_code', 'status_code');
const ERROR_TYPE = keySet('error.type', 'exception.type', 'error_type');
const ERROR_MESSAGE = keySet('error.message', 'exception.message');
const RESENDS = keySet('http.request.resend_count');
const ATTEMPT = keySet('attempt');

/**
 * Outcome of a step. A status OK beside an exception event is a failure all the same: some SDKs set OK whenever the
 * span ended by itself.
 */
export const readOutcome = (view: SpanView): OutcomeFacts => {
  const exception = view.events().find((event) => event.name === 'exception');
  const errorType = textAttr(view, ERROR_TYPE) ?? asText(exception?.attributes.get('exception.type'));
  const message =
    (view.statusMessage === '' ? undefined : view.statusMessage) ??
    textAttr(view, ERROR_MESSAGE) ??
    asText(exception?.attributes.get('exception.message'));
  const httpStatus = countAttr(view, HTTP_STATUS);
  const isFailed =
    view.statusCode === 2 ||
    errorType !== undefined ||
    exception !== undefined ||
    (httpStatus !== undefined && httpStatus >= 400);
  return {
    isFailed,
    errorType: errorType ?? (httpStatus !== undefined && httpStatus >= 400 ? `http_${httpStatus}` : undefined),
    errorMessage: isFailed ? message : undefined,
  };
};

const FINISH_REASONS = keySet('gen_ai.response.finish_reasons', 'llm.finish_reason', 'ai.response.finishReason');

/** Finish reason `error`: a generation that ended abnormally, whatever the status says (semconv). */
export const endedInError = (view: SpanView): boolean => {
  for (const place of view.ask(FINISH_REASONS)) {
    const said = view.at(place);
    // A list, or a list in a text.
    if (Array.isArray(said) ? said.includes('error') : said === 'error' || said === '["error"]') return true;
  }
  return false;
};

/** More attempts than this are no count of attempts; an Avro int and a UInt32 hold far more. */
const ATTEMPTS_MAX = 1_000_000;

/** How many attempts led to this result, when the emitter counts re-sends; undefined otherwise. */
export const readAttempt = (view: SpanView): number | undefined => {
  const resends = countAttr(view, RESENDS);
  const attempt = resends === undefined ? countAttr(view, ATTEMPT) : resends + 1;
  return attempt !== undefined && attempt <= ATTEMPTS_MAX ? attempt : undefined;
};
