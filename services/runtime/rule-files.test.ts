import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createRuleFiles } from './rule-files.ts';

describe('rule files', () => {
  let dir = '';
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'tacho-rules-'));
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  const read = async () => (await createRuleFiles(dir).read()).files;
  const names = async () => (await read()).map(({ path, problem }) => [path.slice(dir.length + 1), problem]);

  test('are found below the folder, in one order; hidden ones and others are left out', async () => {
    mkdirSync(join(dir, 'sub'));
    for (const name of ['b.yaml', 'a.yml', 'sub/c.yaml', '.hidden.yaml', 'notes.md', 'b.yaml.swp'])
      writeFileSync(join(dir, name), `# ${name}\n`);
    expect(await names()).toEqual([
      ['a.yml', null],
      ['b.yaml', null],
      ['sub/c.yaml', null],
    ]);
  });

  test('links are followed, as mounted config maps need it, and never in circles', async () => {
    mkdirSync(join(dir, '..data'));
    writeFileSync(join(dir, '..data', 'a.yaml'), 'x');
    symlinkSync(join(dir, '..data', 'a.yaml'), join(dir, 'a.yaml'));
    symlinkSync(dir, join(dir, 'loop'));
    symlinkSync(join(dir, 'self.yaml'), join(dir, 'self.yaml'));
    symlinkSync(join(dir, 'nowhere'), join(dir, 'gone.yaml'));
    expect(await names()).toEqual([
      ['a.yaml', null],
      ['gone.yaml', 'does not exist'],
      ['self.yaml', 'is a link that leads in circles'],
    ]);
  });

  test('a link out of the folder is refused: a rule repository must not show what else this process may read', async () => {
    const outside = mkdtempSync(join(tmpdir(), 'tacho-outside-'));
    writeFileSync(join(outside, 'secret.txt'), 'password: 1');
    mkdirSync(join(outside, 'more'));
    symlinkSync(join(outside, 'secret.txt'), join(dir, 'a.yaml'));
    symlinkSync(outside, join(dir, 'b'));
    symlinkSync('/proc/self/environ', join(dir, 'c.yml'));
    symlinkSync(join(outside, 'secret.txt'), join(dir, 'no-rule.md'));
    const why = 'is a link that leads out of the folder';
    expect(await names()).toEqual(['a.yaml', 'b', 'c.yml'].map((name) => [name, why]));
    symlinkSync(dir, join(outside, 'policies'));
    rmSync(join(dir, 'a.yaml'));
    rmSync(join(dir, 'b'));
    rmSync(join(dir, 'c.yml'));
    writeFileSync(join(dir, 'd.yaml'), '');
    const through = await createRuleFiles(join(outside, 'policies')).read();
    expect(through.files.map(({ problem }) => problem)).toEqual([null]);
    rmSync(outside, { recursive: true });
  });

  test('a folder that is not there is told, and one that is a file', async () => {
    expect((await createRuleFiles(join(dir, 'none')).read()).files[0]?.problem).toBe('does not exist');
    writeFileSync(join(dir, 'file'), '');
    expect((await createRuleFiles(join(dir, 'file')).read()).files[0]?.problem).toBe('is no folder');
  });

  test('what is too large, no text or no file is refused without being read whole', async () => {
    writeFileSync(join(dir, 'a-large.yaml'), 'x'.repeat(5 * 1024 * 1024));
    writeFileSync(join(dir, 'b-binary.yaml'), Buffer.from([0xff, 0xfe, 0x00, 0x80]));
    writeFileSync(join(dir, 'c-zero.yaml'), 'a\0b');
    execFileSync('mkfifo', [join(dir, 'd-pipe.yaml')]);
    expect((await names()).map(([, problem]) => problem)).toEqual([
      'has at least 5242880 bytes; a rule file has at most 131072',
      'is no text in UTF-8',
      'is no text in UTF-8',
      'is no regular file',
    ]);
  });

  test('too many files, too deep folders and too much text are bounded', async () => {
    let deep = dir;
    for (let at = 0; at < 9; at += 1) {
      deep = join(deep, 'd');
      mkdirSync(deep);
    }
    expect((await names()).map(([, problem]) => problem)).toEqual(['stands deeper than 6 folders']);
    for (let at = 0; at < 40; at += 1) writeFileSync(join(dir, `f${at}.yaml`), 'x'.repeat(128 * 1024));
    expect((await names()).at(-1)?.[1]).toContain('all rule files together');
    for (let at = 0; at < 501; at += 1) writeFileSync(join(dir, `g${at}.yaml`), '');
    expect((await read())[0]?.problem).toBe('holds more than 500 rule files');
  });

  test('the stamp changes with every change, also one that keeps the size and the time', async () => {
    const files = createRuleFiles(dir);
    const stamps = [await files.stamp()];
    writeFileSync(join(dir, 'a.yaml'), 'one');
    stamps.push(await files.stamp());
    utimesSync(join(dir, 'a.yaml'), 1, 1);
    stamps.push(await files.stamp());
    writeFileSync(join(dir, 'a.yaml'), 'two');
    utimesSync(join(dir, 'a.yaml'), 1, 1);
    stamps.push(await files.stamp());
    rmSync(join(dir, 'a.yaml'));
    rmSync(dir, { recursive: true });
    stamps.push(await files.stamp());
    expect(new Set(stamps).size).toBe(5);
    mkdirSync(dir);
    expect(await files.stamp()).toBe(stamps[0]);
  });
});
