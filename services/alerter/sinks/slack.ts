import { incidentUrl, type Notification, runUrl, type Sink } from './sink.ts';

/** Slack takes 3,000 characters in a section's text; escaping makes at most five of one, and titles are 500. */
const TEXT_MAX = 2_900;

/**
 * Slack's incoming webhook. Nothing in a title may act: `&`, `<` and `>` are escaped, so that no `<!channel>` or link of
 * a sender's lives, and `verbatim` keeps Slack from reading names and addresses out of plain text
 * (https://docs.slack.dev/messaging/formatting-message-text).
 */
export const slack: Sink = {
  kind: 'slack',
  buildRequest: (notification, target) => ({
    url: target.url,
    body: JSON.stringify(messageOf(notification)),
    headers: { 'content-type': 'application/json; charset=utf-8', 'idempotency-key': notification.delivery_id },
  }),
};

const messageOf = (notification: Notification) => {
  const { notice } = notification;
  const { incident } = notice;
  const run = runUrl(notification);
  const head = `${incident.severity.toUpperCase()} ${notice.transition}: ${incident.title}`;
  const facts = [
    `tenant ${incident.tenant_id}`,
    ...(incident.agent_name === null ? [] : [`agent ${incident.agent_name}`]),
    ...(incident.workflow === null ? [] : [`workflow ${incident.workflow}`]),
    `seen ${incident.observations} ×`,
    ...(notice.actor === null ? [] : [`by ${notice.actor}`]),
  ].join(' · ');
  const lines = [
    `*${escapeText(head)}*`,
    escapeText(facts),
    ...(notice.comment === null ? [] : [escapeText(notice.comment.slice(0, 500))]),
    [
      linkTo(incidentUrl(notification), 'Open the incident'),
      ...(run === null ? [] : [linkTo(run, 'Open the run')]),
    ].join(' · '),
  ];
  return {
    text: escapeText(head),
    parse: 'none',
    unfurl_links: false,
    unfurl_media: false,
    blocks: [{ type: 'section', text: { type: 'mrkdwn', verbatim: true, text: bounded(lines) } }],
  };
};

/** The links always stand: what is too long is cut above them. */
const bounded = (lines: readonly string[]): string => {
  const last = lines.at(-1) ?? '';
  const above = lines.slice(0, -1).join('\n');
  const room = TEXT_MAX - last.length;
  // A cut may fall into `&amp;`: half an entity is harmless text.
  return `${above.length > room ? `${above.slice(0, room - 1)}…` : above}\n${last}`;
};

const escapeText = (text: string): string =>
  plainLine(text).replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');

/** What agents name themselves must not begin a line of its own here, nor turn the writing of ours around. */
const plainLine = (text: string): string =>
  text.replace(/[\p{Cc}\u2028\u2029]+/gu, ' ').replace(/[\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, '');

const linkTo = (url: string, label: string): string => `<${escapeText(url.replaceAll('|', '%7C'))}|${label}>`;
