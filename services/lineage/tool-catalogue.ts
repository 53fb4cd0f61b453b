import { z } from 'zod';
import type { AgentStep } from '../../schemas/agent-step.ts';
import { hash128 } from '../../schemas/identity.ts';
import { isTenant } from '../../schemas/tenant.ts';
import type { ConfigProblem } from '../runtime/errors.ts';
import { readYaml } from '../runtime/yaml-file.ts';
import { cleanName, toolOf } from './node-names.ts';
import type { Touch } from './touches.ts';

/** What tools are said to read and write, for those whose telemetry does not tell. */
export interface ToolCatalogue {
  /** Over what it says, not how it is written. */
  readonly hash: string;
  /** The file it was read from. */
  readonly text: string;
  readonly tools: number;
  /** What is said of the tool a step calls; none for other steps. Pure. */
  readonly touchesOf: (step: AgentStep) => readonly Touch[];
}

/** Entries: each step of a tool is held against those that end in `*`. */
const TOOLS_MAX = 1_000;
const NODES_MAX = 64;
const NODE = /^(dataset|host|file):(.+)$/s;
const NODE_ERROR = 'dataset:NAMESPACE/NAME, host:NAME or file:PATH, 600 characters at most';
const node = z.string({ error: NODE_ERROR }).max(600, NODE_ERROR).regex(NODE, NODE_ERROR);
const NAME_ERROR = 'a tool as it is told, or the beginning of its name followed by *';
const TOOL = z
  .strictObject({
    tool: z
      .string({ error: NAME_ERROR })
      .max(300, NAME_ERROR)
      .regex(/^[^*]+\*?$/, NAME_ERROR),
    tenant: z.string().refine(isTenant, 'a tenant: letters, digits and .@_-, 64 at most').optional(),
    reads: z.array(node).max(NODES_MAX, `${NODES_MAX} at most`).default([]),
    writes: z.array(node).max(NODES_MAX, `${NODES_MAX} at most`).default([]),
  })
  .refine(({ reads, writes }) => reads.length + writes.length > 0, 'something it reads or writes');
const FILE = z.strictObject({
  owners: z.unknown().optional(),
  tools: z.array(TOOL).max(TOOLS_MAX, `${TOOLS_MAX} tools at most`).nullish(),
});

/** A catalogue, or everything that is wrong with it, each with file and line. */
export type ToolsRead =
  | { readonly kind: 'ok'; readonly catalogue: ToolCatalogue }
  | { readonly kind: 'wrong'; readonly problems: readonly ConfigProblem[] };

/** Reads `tools` of a catalog file; who owns what in it is read elsewhere. `file` is how problems name it. */
export const readTools = (file: string, yaml: string): ToolsRead => {
  const read = readYaml(file, yaml, {
    schema: FILE,
    empty: {},
    noun: 'owners and tools',
    keysAt: (path) => (path.length === 0 ? 'owners, tools' : 'tool, tenant, reads, writes'),
  });
  return read.kind === 'wrong' ? read : { kind: 'ok', catalogue: catalogueOf(read.value.tools ?? [], yaml) };
};

interface Entry {
  readonly name: string;
  readonly isBeginning: boolean;
  readonly tenant: string | null;
  readonly touches: readonly Touch[];
}

const catalogueOf = (tools: readonly z.output<typeof TOOL>[], text: string): ToolCatalogue => {
  const entries = tools.map(entryOf);
  const byName = Map.groupBy(
    entries.filter((entry) => !entry.isBeginning),
    ({ name }) => name,
  );
  const beginnings = entries.filter((entry) => entry.isBeginning);
  return {
    hash: hash128(['tools', JSON.stringify(entries)]),
    text,
    tools: tools.length,
    touchesOf: (step) => {
      const tool = step.step_kind === 'tool' ? (toolOf(step)?.name ?? null) : null;
      if (tool === null) return [];
      const told = [...(byName.get(tool) ?? []), ...beginnings.filter(({ name }) => tool.startsWith(name))];
      return told
        .filter(({ tenant }) => tenant === null || tenant === step.tenant_id)
        .flatMap(({ touches }) => touches);
    },
  };
};

const entryOf = ({ tool, tenant, reads, writes }: z.output<typeof TOOL>): Entry => ({
  name: tool.endsWith('*') ? tool.slice(0, -1) : (cleanName(tool) ?? tool),
  isBeginning: tool.endsWith('*'),
  tenant: tenant ?? null,
  touches: [...touchesAt('reads', reads), ...touchesAt('writes', writes)],
});

const touchesAt = (edge: Touch['edge'], nodes: readonly string[]): readonly Touch[] =>
  nodes.flatMap((text) => {
    const [, kind, told] = NODE.exec(text) ?? [];
    const id = cleanName(kind === 'host' ? told?.toLowerCase() : told);
    const known = KINDS.find((one) => one === kind);
    return id === null || known === undefined
      ? []
      : [{ edge, kind: known, id, fields: [], flags: ['declared'], statement: 0 }];
  });
const KINDS = ['dataset', 'host', 'file'] as const;

/** Nothing is said of any tool. */
export const NO_TOOLS: ToolCatalogue = catalogueOf([], '');
