/** `node dashboards/build.ts`: writes generated/ and docs/runbook.md from the code. A test says when that is due. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { committedFiles } from './generate.ts';
import { runbookText } from './rules/runbook.ts';
import { writeFiles } from './write.ts';

const written = writeFiles(join(import.meta.dirname, 'generated'), committedFiles());
const runbook = join(import.meta.dirname, '..', 'docs', 'runbook.md');
writeFileSync(runbook, runbookText());
process.stdout.write(`${[...written, runbook].join('\n')}\n`);
