import type { StepKind } from '../../../schemas/step-kinds.ts';
import { field, textOf } from '../json.ts';
import type { SpanView } from '../span-view.ts';
import { kindOfWord } from './key-meanings.ts';
import { jsonAt, keysLike } from './values.ts';

/** What attributes that hold an object as JSON say of a step, where no attribute of its own says it. */

/** Braintrust's `span_attributes` say of what type a span is. */
const KINDS = keysLike((key) => /(?:^|[._:])span_attributes$/i.test(key));

/** The kind such an object names; undefined where none does. */
export const kindInJson = (view: SpanView): StepKind | undefined => {
  for (const { place } of view.ask(KINDS)) {
    const kind = kindOfWord(field(jsonAt(view, place), 'type'));
    if (kind !== undefined) return kind;
  }
  return undefined;
};

/** Metadata before what was sent before what came back: the first two tell the model that was asked for. */
const MODELS = [
  /(?:^|[._:])(?:metadata|model_config)$/i,
  /(?:^|[._:])(?:(?:span)?inputs?(?:_json|[._]value)?|request(?:_json|[._]body)?)$/i,
  /(?:^|[._:])(?:(?:span)?outputs?(?:_json|[._]value)?|response(?:_json|[._]body)?)$/i,
].map((pattern) => keysLike((key) => pattern.test(key)));
const NAMES = ['model', 'model_name', 'modelName'];
/** Longer ones are no names of models. */
const MODEL_CHARS_MAX = 200;

/** The model such an object names; undefined where none does. Opens JSON: ask only of a call that names no model. */
export const modelInJson = (view: SpanView): string | undefined => {
  for (const { place } of MODELS.flatMap((keys) => view.ask(keys))) {
    const json = jsonAt(view, place);
    const model = NAMES.map((name) => textOf(field(json, name))).find((text) => text !== undefined && text !== '');
    if (model !== undefined && model.length <= MODEL_CHARS_MAX) return model;
  }
  return undefined;
};
