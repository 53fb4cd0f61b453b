import { type ListType, type ListTypes, ListView } from './condition.ts';
import { LIST_SHAPES, type ListsDocument } from './document-shapes.ts';
import type { RuleProblem } from './problem.ts';
import { minuteOf, type TimeWindow } from './windows.ts';
import type { YamlDocument, YamlPath } from './yaml-documents.ts';

/** A document of kind Lists with the places of its values. */
export interface PlacedLists {
  readonly lists: ListsDocument;
  readonly source: YamlDocument;
}

/** All lists of a rule set. */
export interface RuleLists {
  readonly types: ListTypes;
  readonly windows: ReadonlyMap<string, TimeWindow>;
  /** Values for every tenant; `exceptions`: the names that conditions ask for, of which having none is known. */
  readonly createViews: (exceptions: readonly string[]) => ListViews;
  /** Names of lists that no tenant has filled: rules that require one are silent everywhere. */
  readonly unfilled: readonly string[];
}

/** What a tenant's conditions see at a moment (µs since 1970): exceptions end with their day. */
export type ListViews = (tenant: string, micros: number) => ListView;

export type ListValue = ListsDocument['lists'][string];
const MICROS_PER_DAY = 86_400_000_000;
/** Views at hand: one a tenant and day. */
const VIEWS_MAX = 1_000;

/** Merges every document; a tenant's own list (or key of a list) outranks the one for all. */
export const mergeLists = (
  documents: readonly PlacedLists[],
): { readonly lists: RuleLists; readonly problems: readonly RuleProblem[] } => {
  const problems: RuleProblem[] = [];
  const types = mergeTypes(documents, problems);
  const windows = mergeWindows(documents, problems);
  const scopes = new Map<string | null, Map<string, ListValue>>();
  for (const document of documents) mergeValues(document, scopes, problems);
  return {
    problems,
    lists: {
      types,
      windows,
      unfilled: [...types.keys()].filter((name) => ![...scopes.values()].some((scope) => isFilled(scope.get(name)))),
      createViews: (exceptions) => createViews(documents, scopes, exceptions),
    },
  };
};

const createViews = (documents: readonly PlacedLists[], scopes: Scopes, exceptions: readonly string[]): ListViews => {
  const views = new Map<string, ListView>();
  return (tenant, micros) => {
    const day = Math.floor(micros / MICROS_PER_DAY);
    const key = `${tenant}|${day}`;
    const known = views.get(key);
    if (known !== undefined) return known;
    const made = new ListView(valuesFor(tenant, scopes), exceptionsFor(tenant, day, documents, exceptions));
    if (views.size >= VIEWS_MAX) views.clear();
    views.set(key, made);
    return made;
  };
};

/** Type of a list by its value; an empty map could be of either kind. */
const typeOf = (value: ListValue): ListType | 'empty map' => {
  if (typeof value === 'number') return 'double';
  if (Array.isArray(value)) return 'list<string>';
  const [first] = Object.values(value);
  if (first === undefined) return 'empty map';
  return typeof first === 'number' ? 'map<string, double>' : 'map<string, list<string>>';
};

const placed = (source: YamlDocument, path: YamlPath, message: string): RuleProblem => ({
  file: source.file,
  ...source.keyPlaceOf(path),
  message,
});

const mergeTypes = (documents: readonly PlacedLists[], problems: RuleProblem[]): ListTypes => {
  const types = new Map<string, ListType>();
  const take = (name: string, type: ListType, source: YamlDocument, path: YamlPath): void => {
    const known = types.get(name);
    if (known === undefined) types.set(name, type);
    else if (known !== type) problems.push(placed(source, path, `cfg.${name} is ${type} here and ${known} elsewhere`));
  };
  const empty: (readonly [string, YamlDocument, YamlPath])[] = [];
  for (const { lists, source } of documents) {
    for (const [name, shape] of Object.entries(lists.declare))
      take(name, LIST_SHAPES[shape], source, ['declare', name]);
    for (const [name, value] of Object.entries(lists.lists)) {
      const type = typeOf(value);
      if (type === 'empty map') empty.push([name, source, ['lists', name]]);
      else take(name, type, source, ['lists', name]);
    }
  }
  for (const [name, source, path] of empty) {
    const known = types.get(name);
    if (known?.startsWith('map') !== true) take(name, 'map<string, list<string>>', source, path);
  }
  return types;
};

const mergeWindows = (documents: readonly PlacedLists[], problems: RuleProblem[]): ReadonlyMap<string, TimeWindow> => {
  const windows = new Map<string, TimeWindow>();
  for (const { lists, source } of documents) {
    for (const [name, window] of Object.entries(lists.windows)) {
      const path = ['windows', name];
      if (lists.tenant !== undefined) problems.push(placed(source, path, 'windows belong to all tenants'));
      if (windows.has(name)) problems.push(placed(source, path, `the window ${name} is given twice`));
      windows.set(name, {
        days: window.days,
        fromMinute: minuteOf(window.from) ?? 0,
        toMinute: minuteOf(window.to) ?? 0,
        zone: window.zone,
      });
    }
  }
  return windows;
};

type Scopes = Map<string | null, Map<string, ListValue>>;

/** Two documents may give different keys of one list; the same thing twice would leave it to chance which counts. */
const mergeValues = ({ lists, source }: PlacedLists, scopes: Scopes, problems: RuleProblem[]): void => {
  const owner = lists.tenant ?? null;
  const scope = scopes.get(owner) ?? new Map<string, ListValue>();
  scopes.set(owner, scope);
  for (const [name, value] of Object.entries(lists.lists)) {
    const known = scope.get(name);
    if (!isFilled(known)) {
      scope.set(name, value);
      continue;
    }
    if (!isFilled(value)) continue;
    const merged = mergeKeys(known, value);
    if (typeof merged === 'string') {
      const who = owner === null ? 'all tenants' : `tenant ${owner}`;
      problems.push(placed(source, ['lists', name], `cfg.${name}${merged} is given twice for ${who}`));
    } else scope.set(name, merged);
  }
};

/** Both maps as one, or the part that stands in both. */
const mergeKeys = (known: ListValue | undefined, value: ListValue): ListValue | string => {
  if (typeof known !== 'object' || typeof value !== 'object' || Array.isArray(known) || Array.isArray(value)) return '';
  const twice = Object.keys(value).find((key) => Object.hasOwn(known, key));
  return twice === undefined ? ({ ...known, ...value } as ListValue) : `["${twice}"]`;
};

const isFilled = (value: ListValue | undefined): boolean =>
  value !== undefined && (typeof value === 'number' || Object.keys(value).length > 0);

/** Values as CEL takes them: maps as Map, so that a key such as `constructor` is a key like any other. */
export const celValues = (values: ReadonlyMap<string, ListValue>): ReadonlyMap<string, unknown> =>
  new Map(
    [...values]
      .filter(([, value]) => isFilled(value))
      .map(([name, value]) => [
        name,
        typeof value === 'object' && !Array.isArray(value) ? new Map(Object.entries(value)) : value,
      ]),
  );

const valuesFor = (tenant: string, scopes: Scopes): ReadonlyMap<string, unknown> => {
  const values = new Map(scopes.get(null) ?? []);
  for (const [name, value] of scopes.get(tenant) ?? []) {
    const shared = values.get(name);
    const isMap = typeof value === 'object' && !Array.isArray(value);
    const isBoth = isMap && typeof shared === 'object' && !Array.isArray(shared);
    values.set(name, isBoth ? ({ ...shared, ...value } as ListValue) : value);
  }
  return celValues(values);
};

/** What is excepted on a day, by list: an exception holds to the end of the day it names, UTC. */
const exceptionsFor = (
  tenant: string,
  day: number,
  documents: readonly PlacedLists[],
  names: readonly string[],
): ReadonlyMap<string, readonly string[]> => {
  const found = new Map<string, string[]>(names.map((name) => [name, []]));
  for (const { lists } of documents) {
    const applies = lists.tenant === undefined || lists.tenant === tenant;
    for (const { list, value, expires } of lists.exceptions) {
      const values = found.get(list) ?? [];
      if (applies && day * MICROS_PER_DAY <= Date.parse(`${expires}T00:00:00Z`) * 1_000) values.push(value);
      found.set(list, values);
    }
  }
  return found;
};
