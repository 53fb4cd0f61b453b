import type { Config } from './config-schema.ts';
import type { ConfigProblem } from './errors.ts';

type Sinks = Config['alerts']['sinks'];

/**
 * Sinks with what stands in files of their own read in. Problems name the sink by its place: its address and its
 * secret are never shown, for a Slack address is a secret too. `readText` gives null for a file that cannot be read.
 */
export const resolveSinks = (
  sinks: Sinks,
  readText: (file: string) => string | null,
): { readonly sinks: Sinks; readonly problems: readonly ConfigProblem[] } => {
  const problems: ConfigProblem[] = [];
  const resolved = sinks.map((sink, at) => {
    const take = (key: 'url' | 'secret'): string => {
      const file = sink[`${key}_file`];
      if (file === '') return sink[key].trim();
      const text = readText(file);
      if (text === null)
        problems.push({ key: `alerts.sinks.${at}.${key}_file`, value: file, allowed: 'a file that can be read' });
      if (sink[key] !== '')
        problems.push({ key: `alerts.sinks.${at}.${key}`, value: '(given twice)', allowed: `${key} or ${key}_file` });
      return text?.trim() ?? '';
    };
    const url = take('url');
    const isRead = sink.url_file === '' || url !== '';
    if (isRead && !/^https?:$/.test(URL.parse(url)?.protocol ?? ''))
      problems.push({
        key: `alerts.sinks.${at}.url`,
        value: url === '' ? 'nothing' : '(not shown)',
        allowed: 'http://… or https://…',
      });
    if (sinks.findIndex((other) => other.name === sink.name) < at)
      problems.push({ key: `alerts.sinks.${at}.name`, value: sink.name, allowed: 'a name of its own' });
    return { ...sink, url, secret: take('secret') };
  });
  return { sinks: resolved, problems };
};
