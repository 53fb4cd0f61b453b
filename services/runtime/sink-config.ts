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
    if (isRead && !isAddress(url))
      problems.push({
        key: `alerts.sinks.${at}.url`,
        value: url === '' ? 'nothing' : '(not shown)',
        allowed: 'http://… or https://…, without user and password in it',
      });
    if (sinks.findIndex((other) => other.name === sink.name) < at)
      problems.push({ key: `alerts.sinks.${at}.name`, value: sink.name, allowed: 'a name of its own' });
    const secret = take('secret');
    if (secret.startsWith('whsec_') && !/^whsec_(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2,4}={0,2})$/.test(secret))
      problems.push({ key: `alerts.sinks.${at}.secret`, value: '(not shown)', allowed: 'whsec_ and a key in base64' });
    return { ...sink, url, secret };
  });
  return { sinks: resolved, problems };
};

/** fetch takes no address with a user in it: every notification would fail for a day before it is given up. */
const isAddress = (url: string): boolean => {
  const parsed = URL.parse(url);
  return /^https?:$/.test(parsed?.protocol ?? '') && parsed?.username === '' && parsed.password === '';
};
