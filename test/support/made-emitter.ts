import { attributeList, type Values } from '../../services/normalizer/batch-fixture.ts';
import { seeded } from './random.ts';

/** Emitters that exist nowhere: ways of naming, counting and wrapping that real ones were seen to have, mixed by a seed. */

interface Figures {
  readonly input: number;
  readonly cached: number;
  readonly output: number;
}
interface Planned {
  readonly figures: Figures;
  readonly state: 'told' | 'silent' | 'failed';
}

const NAMES = [
  ['usage.prompt_tokens', 'usage.completion_tokens', 'usage.cached_tokens', 'usage.total_tokens'],
  ['input_tokens', 'output_tokens', 'cache_read_tokens', 'total_tokens'],
  ['tokens.input', 'tokens.output', 'tokens.cache_read', 'tokens.total'],
  ['token_count.prompt', 'token_count.completion', 'token_count.prompt_details.cache_read', 'token_count.total'],
  ['tokensIn', 'tokensOut', 'cacheReadTokens', 'tokensTotal'],
  ['promptTokens', 'completionTokens', 'cachedPromptTokens', 'totalTokens'],
] as const;
const PREFIXES = ['acme.', 'acme.llm.', 'vendor_ai.', 'x.'] as const;
const MODELS = ['model', 'model_name', 'request.model', 'llm.model'] as const;
const KINDS = ['span.kind', 'span.type', 'observation.type', 'step_kind', null] as const;
const WORDS = [
  ['LLM', 'AGENT', 'CHAIN'],
  ['generation', 'agent', 'workflow'],
  ['model', 'agent_run', 'chain'],
] as const;

const styleOf = (random: () => number) => {
  const pick = <T>(list: readonly T[]): T => {
    const [one] = list.slice(Math.floor(random() * list.length));
    if (one === undefined) throw new Error('nothing to pick from');
    return one;
  };
  const chance = (share: number) => random() < share;
  const prefix = pick(PREFIXES);
  return {
    prefix,
    names: pick(NAMES),
    model: `${prefix}${pick(MODELS)}`,
    kind: pick(KINDS),
    words: pick(WORDS),
    depth: Math.floor(random() * 3),
    asJson: chance(0.2),
    tellsCached: chance(0.5),
    tellsTotal: chance(0.5),
    asTexts: chance(0.2),
    wrapsName: chance(0.5),
    wrapsModel: chance(0.5),
    /** Below each call another instrumentation tells it once more. */
    hasTwin: chance(0.3),
    tellsIds: chance(0.5),
    hasSilent: chance(0.3),
  };
};
type Style = ReturnType<typeof styleOf>;

const planOf = (random: () => number, { hasSilent }: Style): readonly Planned[] =>
  Array.from({ length: 1 + Math.floor(random() * 4) }, (_, nth) => {
    const input = 200 + nth * 101 + Math.floor(random() * 1000);
    const figures = { input, cached: Math.floor(random() * (input / 2)), output: 40 + 7 * nth };
    if (random() < 0.15) return { figures, state: 'failed' };
    return { figures, state: hasSilent && random() < 0.4 ? 'silent' : 'told' };
  });

const figuresIn = (style: Style, { input, cached, output }: Figures): Values => {
  const [inputName, outputName, cachedName, totalName] = style.names;
  if (style.asJson)
    return { [`${style.prefix}usage`]: JSON.stringify({ prompt_tokens: input, completion_tokens: output }) };
  const counts = {
    [inputName]: input,
    [outputName]: output,
    ...(style.tellsCached ? { [cachedName]: cached } : {}),
    ...(style.tellsTotal ? { [totalName]: input + output } : {}),
  };
  return Object.fromEntries(
    Object.entries(counts).map(([name, count]) => [`${style.prefix}${name}`, style.asTexts ? String(count) : count]),
  );
};

const wordOf = ({ kind, prefix, words }: Style, at: 0 | 1 | 2): Values =>
  kind === null ? {} : { [`${prefix}${kind}`]: words[at] };

const sumOf = (plan: readonly Planned[]): Figures =>
  plan
    .filter(({ state }) => state !== 'failed')
    .reduce(
      (sum, { figures }) => ({
        input: sum.input + figures.input,
        cached: sum.cached + figures.cached,
        output: sum.output + figures.output,
      }),
      { input: 0, cached: 0, output: 0 },
    );

/** Spans of one trace, ids in their order. */
const traceOf = (seed: number) => {
  const spans: object[] = [];
  const nanos = (ms: number) => String(1_795_228_839_000_000_000n + BigInt(ms) * 1_000_000n);
  const add = (name: string, parent: string, at: readonly [number, number], attributes: Values, over: object = {}) => {
    const spanId = (spans.length + 1).toString(16).padStart(16, '0');
    spans.push({
      traceId: seed.toString(16).padStart(32, 'a'),
      spanId,
      ...(parent === '' ? {} : { parentSpanId: parent }),
      ...{ name, kind: 1, startTimeUnixNano: nanos(at[0]), endTimeUnixNano: nanos(at[1]) },
      attributes: attributeList(attributes),
      ...over,
    });
    return spanId;
  };
  return { spans, add };
};

type Add = ReturnType<typeof traceOf>['add'];

/** What is around the calls repeats their sum; gives the innermost. */
const addWrappers = (style: Style, sum: Figures, add: Add): string => {
  let parent = '';
  for (let level = 0; level < style.depth; level += 1) {
    const word = wordOf(style, level === 0 ? 2 : 1);
    const model: Values = style.wrapsModel ? { [style.model]: 'gpt-5' } : {};
    const name = style.wrapsName ? 'agent run' : `work ${level}`;
    parent = add(name, parent, [level, 10_000 - level], { ...word, ...model, ...figuresIn(style, sum) });
  }
  return parent;
};

/** What such an emitter writes of one run, and what there is: calls, tokens of both sides, whether all of them are told. */
export const madeEmitter = (seed: number) => {
  const random = seeded(seed);
  const style = styleOf(random);
  const plan = planOf(random, style);
  const { spans, add } = traceOf(seed);
  const sum = sumOf(plan);
  const parent = addWrappers(style, sum, add);
  for (const [nth, { figures, state }] of plan.entries()) {
    const at = [100 + nth * 1000, 900 + nth * 1000] as const;
    const id: Values =
      style.tellsIds && state !== 'failed' ? { [`${style.prefix}response_id`]: `r-${seed}-${nth}` } : {};
    const told = state === 'told' ? figuresIn(style, figures) : {};
    const over = state === 'failed' ? { status: { code: 2 } } : {};
    const call = add(`call ${nth}`, parent, at, { ...wordOf(style, 0), [style.model]: 'gpt-5', ...id, ...told }, over);
    if (!style.hasTwin || state === 'failed') continue;
    add('chat gpt-5', call, [at[0] + 1, at[1] - 1], {
      'gen_ai.operation.name': 'chat',
      'gen_ai.request.model': 'gpt-5',
      'gen_ai.usage.input_tokens': figures.input,
      'gen_ai.usage.output_tokens': figures.output,
    });
  }
  const truth = {
    calls: plan.length,
    tokens: sum.input + sum.output,
    isWhole: plan.every(({ state }) => state === 'told'),
  };
  return { spans, truth, style: { ...style, plan: plan.map(({ state }) => state).join() } };
};
