import type { z } from 'zod';
import type { RuleProblem } from './problem.ts';
import type { YamlDocument, YamlPath } from './yaml-documents.ts';

/** Every problem Zod found, at its place in the file. Unknown fields are named one by one. */
export const shapeProblems = (document: YamlDocument, error: z.ZodError): readonly RuleProblem[] =>
  error.issues.flatMap((issue) => issueProblems(document, issue));

const issueProblems = (document: YamlDocument, issue: z.core.$ZodIssue): readonly RuleProblem[] => {
  const path: YamlPath = issue.path.map((step) => (typeof step === 'number' ? step : String(step)));
  const { file } = document;
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map((key) => ({
      file,
      ...document.keyPlaceOf([...path, key]),
      message: `${[...path, key].join('.')} is no field of this kind of document`,
    }));
  const name = path.join('.');
  const value = valueAt(document.value, path);
  if (value === undefined)
    return [{ file, ...document.keyPlaceOf(path), message: `${name} is missing: ${wantedOf(issue)}` }];
  if (issue.code === 'invalid_key') {
    const says = issue.issues[0]?.message ?? 'not allowed';
    return [{ file, ...document.keyPlaceOf(path), message: `${name}: ${says}` }];
  }
  return [{ file, ...document.placeOf(path), message: `${name} is ${shown(value)}; allowed: ${wantedOf(issue)}` }];
};

const wantedOf = (issue: z.core.$ZodIssue): string =>
  issue.message
    .replace(/^Invalid (input|option): expected /, '')
    .replace(/, received .*$/, '')
    .replace(/^one of /, '')
    .replaceAll('"', '')
    .replaceAll('|', ', ');

/** Long values are cut: the place says where to look. */
const SHOWN_MAX = 60;

const shown = (value: unknown): string => {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > SHOWN_MAX ? `${text.slice(0, SHOWN_MAX)}…` : text;
};

const valueAt = (value: unknown, path: YamlPath): unknown => {
  let at = value;
  for (const step of path) {
    if (typeof at !== 'object' || at === null) return undefined;
    at = (at as Readonly<Record<string | number, unknown>>)[step];
  }
  return at;
};
