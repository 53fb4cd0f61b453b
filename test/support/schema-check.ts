import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { root } from './compose.ts';

const read = (name: string): Record<string, unknown> =>
  JSON.parse(readFileSync(join(root, 'test/fixtures/schemas', name), 'utf8'));

const ajv = (): Ajv2020 => {
  const made = new Ajv2020({ allErrors: true, strict: false });
  addFormats.default(made);
  // Formats of Compose and Kubernetes that JSON schema does not know; their values are checked elsewhere or not at all.
  for (const format of ['duration', 'ports', 'expose', 'subnet_ip_address', 'int-or-string', 'byte', 'int32', 'int64'])
    made.addFormat(format, true);
  return made;
};

const told = (validate: ValidateFunction, document: unknown): string[] => {
  if (validate(document)) return [];
  return (validate.errors ?? []).map(
    ({ instancePath, message, params }) => `${instancePath || '/'} ${message ?? ''} ${JSON.stringify(params)}`,
  );
};

let compose: ValidateFunction | undefined;
/** What the Compose specification says against a document. */
export const composeSchemaProblems = (document: unknown): string[] => {
  compose ??= ajv().compile(read('compose-spec.json'));
  return told(compose, document);
};

let kubernetes: Ajv2020 | undefined;
/** What Kubernetes 1.37 says against an object: unknown fields too. */
export const kubernetesSchemaProblems = (object: { apiVersion: string; kind: string }): string[] => {
  const schema = read('kubernetes-1.37.json');
  kubernetes ??= ajv().addSchema(schema);
  const kinds = schema['kinds'] as Record<string, string>;
  const ref = kinds[`${object.apiVersion}/${object.kind}`];
  if (ref === undefined) return [`${object.apiVersion}/${object.kind} is a kind we have no schema of`];
  return told(kubernetes.compile({ $ref: `kubernetes-1.37${ref}` }), object);
};
