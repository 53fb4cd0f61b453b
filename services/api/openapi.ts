import { z } from 'zod';
import type { Route } from './routes/route.ts';

const PROBLEM_SCHEMA = {
  type: 'object',
  required: ['type', 'title', 'status', 'detail'],
  properties: {
    type: { type: 'string' },
    title: { type: 'string' },
    status: { type: 'integer' },
    detail: { type: 'string' },
    tenants: { type: 'array', items: { type: 'string' }, description: '409: the tenants that have this id.' },
    allowed: { type: 'array', items: { type: 'string' }, description: '400: the parameters that are allowed.' },
    errors: { type: 'array', items: { type: 'object' } },
  },
};

const schemaOf = (schema: z.ZodType, io: 'input' | 'output'): Record<string, unknown> => {
  const { $schema: _dialect, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: 'any' });
  return rest;
};

const parametersOf = (route: Route): readonly object[] =>
  (['path', 'query'] as const).flatMap((part) => {
    const schema = schemaOf(part === 'path' ? route.params : route.query, 'input');
    const properties = z.record(z.string(), z.record(z.string(), z.unknown())).parse(schema['properties'] ?? {});
    const required = z.array(z.string()).parse(schema['required'] ?? []);
    return Object.entries(properties).map(([name, { description, ...rest }]) => ({
      name,
      in: part,
      required: part === 'path' || required.includes(name),
      ...(description === undefined ? {} : { description }),
      schema: rest,
    }));
  });

const operationOf = (route: Route): object => ({
  summary: route.summary,
  operationId: `${route.method.toLowerCase()}${route.path.replaceAll(/[/:]+(\w)/g, (_all, letter: string) => letter.toUpperCase())}`,
  description: `Needs the grant \`${route.needs}\`.`,
  parameters: parametersOf(route),
  ...(route.method === 'POST'
    ? { requestBody: { required: true, content: { 'application/json': { schema: schemaOf(route.body, 'input') } } } }
    : {}),
  responses: {
    [route.status]: {
      description: 'OK',
      content: { 'application/json': { schema: schemaOf(route.answer, 'output') } },
    },
    default: {
      description: 'RFC 9457 problem',
      content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
    },
  },
});

/** The OpenAPI 3.1 description of the routes: made from the schemas they validate with, so it cannot drift. */
export const openApiOf = (routes: readonly Route[], version: string): object => {
  const paths: Record<string, Record<string, object>> = {};
  for (const route of routes) {
    const path = `/api/v1${route.path.replaceAll(/:(\w+)/g, '{$1}')}`;
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operationOf(route) };
  }
  return {
    openapi: '3.1.0',
    info: { title: 'Tachograph', version, description: 'What agents did, what it cost, what is known of it.' },
    paths,
    components: {
      schemas: { Problem: PROBLEM_SCHEMA },
      securitySchemes: { token: { type: 'http', scheme: 'bearer' } },
    },
    security: [{ token: [] }, {}],
  };
};
