import { z } from 'zod';
import { isTenant } from '../../schemas/tenant.ts';
import type { ConfigProblem } from '../runtime/errors.ts';
import { readYaml } from '../runtime/yaml-file.ts';

/** Who pays for what: the first entry that matches a booking and names a team (or a cost centre) gives it. */
export interface Owner {
  /** '' where the entry names none: then a later one may. */
  readonly team: string;
  readonly cost_centre: string;
  /** All that are not '' must match. */
  readonly tenant: string;
  readonly service: string;
  readonly agent: string;
  readonly workflow: string;
  readonly user: string;
  readonly label: string;
  readonly label_value: string;
}

/** What maps to no entry. Nobody can be called so. */
export const UNALLOCATED = 'unallocated';
/** Entries: each booking of a question is held against all of them. */
const OWNERS_MAX = 500;

const text = z
  .string({ error: 'text, 300 characters at most' })
  .min(1, 'text, 300 characters at most')
  .max(300, 'text, 300 characters at most');
const NAME_ERROR = `text, 100 characters at most, other than ${UNALLOCATED}`;
const name = z
  .union([z.string({ error: NAME_ERROR }), z.number().transform(String)], { error: NAME_ERROR })
  .refine((value) => value !== '' && value.length <= 100 && value !== UNALLOCATED, NAME_ERROR);

const SCOPE = z
  .strictObject({
    tenant: z.string().refine(isTenant, 'a tenant: letters, digits and .@_-, 64 at most').optional(),
    service: text.optional(),
    agent: text.optional(),
    workflow: text.optional(),
    user: text.optional(),
    label: z
      .record(text, text, { error: 'one label, such as {squad: core}' })
      .refine((labels) => Object.keys(labels).length === 1, 'one label, such as {squad: core}')
      .optional(),
  })
  .refine((scope) => Object.values(scope).some((value) => value !== undefined), 'at least one thing that must match');

const OWNER = z
  .strictObject({ team: name.optional(), cost_centre: name.optional(), scope: SCOPE })
  .refine(({ team, cost_centre }) => team !== undefined || cost_centre !== undefined, 'a team or a cost_centre');

const FILE = z.strictObject({
  owners: z.array(OWNER).max(OWNERS_MAX, `${OWNERS_MAX} owners at most`).nullish(),
  // What tools read and write is read by lineage.
  tools: z.unknown().optional(),
});

/** Owners, or everything that is wrong with them, each with file and line. */
export type OwnersRead =
  | { readonly kind: 'ok'; readonly owners: readonly Owner[] }
  | { readonly kind: 'wrong'; readonly problems: readonly ConfigProblem[] };

/** Reads the text of a catalog file. `file` is how problems name it. */
export const readOwners = (file: string, yaml: string): OwnersRead => {
  const read = readYaml(file, yaml, {
    schema: FILE,
    empty: { owners: [] },
    noun: 'a list of owners',
    keysAt: (path) => (path.length === 0 ? 'owners, tools' : knownKeys(path)),
  });
  if (read.kind === 'wrong') return read;
  return { kind: 'ok', owners: (read.value.owners ?? []).map(ownerOf) };
};

const knownKeys = (path: readonly PropertyKey[]): string =>
  path.at(-1) === 'scope' ? Object.keys(SCOPE.shape).join(', ') : Object.keys(OWNER.shape).join(', ');

const ownerOf = ({ team = '', cost_centre = '', scope }: z.output<typeof OWNER>): Owner => {
  const { tenant = '', service = '', agent = '', workflow = '', user = '' } = scope;
  const [label = '', label_value = ''] = Object.entries(scope.label ?? {})[0] ?? [];
  return { team, cost_centre, tenant, service, agent, workflow, user, label, label_value };
};
