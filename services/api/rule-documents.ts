import { parseAllDocuments } from 'yaml';
import { z } from 'zod';
import { RULE_MODES, SEVERITIES } from '../../schemas/policy-violation.ts';

/** What a rule set says of one of its rules or detectors. */
export interface RuleOutline {
  readonly rule_id: string;
  readonly rule_version: string;
  readonly kind: 'Rule' | 'Detector';
  /** With its placeholders, as it is written. */
  readonly title: string;
  readonly description: string | null;
  /** null: a detector, whose levels have each their own. */
  readonly severity: string | null;
  readonly mode: string;
  readonly file: string;
}

/** The head of a document; what conditions and tests look like is the business of who judges by them. */
const HEAD = z.object({
  kind: z.enum(['Rule', 'Detector']),
  id: z.string(),
  version: z.string().default(''),
  title: z.string().default(''),
  description: z.string().optional(),
  severity: z.enum(SEVERITIES).optional(),
  mode: z.enum(RULE_MODES).default('alert'),
});

/** The rules and detectors of one file of a rule set in force. Documents of another form are left out. */
export const readRuleFile = (file: string, text: string): readonly RuleOutline[] =>
  documentsOf(text).flatMap((document) => {
    const found = HEAD.safeParse(document);
    if (!found.success) return [];
    const { id, version, kind, title, description, severity, mode } = found.data;
    return [
      {
        rule_id: id,
        rule_version: version,
        kind,
        title,
        description: description ?? null,
        severity: severity ?? null,
        mode,
        file,
      },
    ];
  });

/** Aliases a document may resolve: the service that loads rules allows few, and this is read on every view. */
const ALIASES_MAX = 100;

const documentsOf = (text: string): readonly unknown[] => {
  try {
    const all = parseAllDocuments(text, { logLevel: 'silent' });
    return 'empty' in all
      ? []
      : all
          .filter((document) => document.errors.length === 0)
          .map((document) => document.toJS({ maxAliasCount: ALIASES_MAX }));
  } catch {
    return []; // Cut, nested without end, or of a version with another form: its rules are not listed, they still judge.
  }
};
