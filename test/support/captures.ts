import { readdirSync, readFileSync } from 'node:fs';

const CAPTURES = new URL('../fixtures/captures/', import.meta.url);

/** One recorded export request. `signal`: traces, logs or metrics. */
export interface Capture {
  readonly name: string;
  readonly signal: string;
  readonly path: string;
  readonly contentType: string;
  readonly bytes: Uint8Array;
}

/** Every recorded OTLP request. The own exporter of the OpenAI Agents SDK posts JSON that is not OTLP: left out. */
export const captures = (): readonly Capture[] =>
  readdirSync(CAPTURES)
    .filter((folder) => folder !== 'openai-agents-native')
    .flatMap((folder) =>
      readdirSync(new URL(`${folder}/`, CAPTURES))
        .filter((file) => file.endsWith('.meta.json'))
        .map((file) => {
          const meta = JSON.parse(readFileSync(new URL(`${folder}/${file}`, CAPTURES), 'utf8'));
          const bytes = new Uint8Array(readFileSync(new URL(`${folder}/${meta.file}`, CAPTURES)));
          return {
            name: `${folder}/${meta.file}`,
            signal: meta.signal,
            path: meta.path,
            contentType: meta.content_type,
            bytes,
          };
        }),
    );
