import { createHmac } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { stepIncident } from '../fold.ts';
import { emptyMemory } from '../incident.ts';
import { contextOf, eventOf } from '../incident-fixture.ts';
import { sinkOf } from './registry.ts';
import type { Notification, SinkTarget } from './sink.ts';

const notificationOf = (over: Parameters<typeof eventOf>[0] = {}): Notification => {
  const { state } = stepIncident(emptyMemory('incident-1'), [eventOf(over)], contextOf(1));
  const [notice] = state.notices;
  if (notice === undefined) throw new Error('a notice is expected');
  return { notice, delivery_id: 'delivery-1', base_url: 'https://console.example' };
};

const target = (over: Partial<SinkTarget> = {}): SinkTarget => ({
  name: 'oncall',
  kind: 'webhook',
  url: 'https://pager.example/hook',
  secret: '',
  min_severity: 'low',
  ...over,
});

const requestOf = (kind: string, notification: Notification, secret = '', nowMs = 1_674_087_231_000) => {
  const sink = sinkOf(kind);
  if (sink === undefined) throw new Error(kind);
  return sink.buildRequest(notification, target({ kind, secret }), nowMs);
};

describe('every sink', () => {
  test.each(['webhook', 'slack'])('%s says the same bytes at every attempt, under one key', (kind) => {
    const first = requestOf(kind, notificationOf(), 'key', 1_000);
    const later = requestOf(kind, notificationOf(), 'key', 9_000_000);
    expect(later.body).toBe(first.body);
    expect(later.headers['idempotency-key']).toBe('delivery-1');
  });

  test('that is none is not found', () => {
    expect(sinkOf('carrier-pigeon')).toBeUndefined();
  });
});

describe('a webhook', () => {
  test('is signed as Standard Webhooks says, with the key behind whsec_ in base64', () => {
    // The example of the specification: https://github.com/standard-webhooks/standard-webhooks
    const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
    const { headers, body } = requestOf('webhook', notificationOf(), secret);
    expect(headers['webhook-id']).toBe('delivery-1');
    expect(headers['webhook-timestamp']).toBe('1674087231');
    const mac = createHmac('sha256', Buffer.from('MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', 'base64'));
    expect(headers['webhook-signature']).toBe(`v1,${mac.update(`delivery-1.1674087231.${body}`).digest('base64')}`);
  });

  test('signs with any other secret as it is, and without one not at all', () => {
    const { headers, body } = requestOf('webhook', notificationOf(), 'plain words');
    const mac = createHmac('sha256', 'plain words').update(`delivery-1.1674087231.${body}`).digest('base64');
    expect(headers['webhook-signature']).toBe(`v1,${mac}`);
    expect(requestOf('webhook', notificationOf()).headers).not.toHaveProperty('webhook-signature');
  });

  test('carries the incident and where to look', () => {
    const { body } = requestOf(
      'webhook',
      notificationOf({ tenant_id: 'a@b', run_id: 'run/1', detail: '{"violation_id":"v"}' }),
    );
    expect(JSON.parse(body)).toMatchObject({
      type: 'incident.opened',
      event_id: 'event-1',
      delivery_id: 'delivery-1',
      transition: 'opened',
      incident: {
        incident_id: 'incident-1',
        severity: 'medium',
        state: 'open',
        observations: 1,
        detail: { violation_id: 'v' },
      },
      links: {
        incident: 'https://console.example/incidents/incident-1?tenant=a%40b',
        run: 'https://console.example/runs/run%2F1?tenant=a%40b',
      },
    });
  });
});

describe('a Slack message', () => {
  test('lets nothing in a title act: no mention, no link, no markup of Slack', () => {
    const title = '<!channel> <https://evil.example|click> <@U123> &amp; done';
    const { body } = requestOf('slack', notificationOf({ title, agent_name: '<!here>' }));
    const message = JSON.parse(body) as {
      readonly text: string;
      readonly blocks: readonly { readonly text: { readonly text: string; readonly verbatim: boolean } }[];
    };
    const block = message.blocks[0]?.text;
    const own = [...(block?.text ?? '').matchAll(/<[^>]*>/g)].map(([one]) => one);
    expect(own).toEqual([
      '<https://console.example/incidents/incident-1?tenant=acme|Open the incident>',
      '<https://console.example/runs/run-1?tenant=acme|Open the run>',
    ]);
    expect(block?.text).toContain('&lt;!channel&gt; &lt;https://evil.example|click&gt; &lt;@U123&gt; &amp;amp; done');
    expect(block?.verbatim).toBe(true);
    expect(message.text).not.toMatch(/[<>]/);
  });

  test('a title cannot begin a line of its own or turn the writing around', () => {
    const title = 'egress to evil\n*RESOLVED* by admin\r\u2028x\u202eesrever\u2066';
    const { body } = requestOf('slack', notificationOf({ title }));
    const block = (JSON.parse(body) as { readonly blocks: readonly { readonly text: { readonly text: string } }[] })
      .blocks[0]?.text.text;
    expect(block?.split('\n')[0]).toBe('*MEDIUM opened: egress to evil *RESOLVED* by admin xesrever*');
  });

  test('stays within what Slack takes, with its links whole', () => {
    const { body } = requestOf('slack', notificationOf({ title: '<'.repeat(5_000), comment: '&'.repeat(5_000) }));
    const text =
      (JSON.parse(body) as { readonly blocks: readonly { readonly text: { readonly text: string } }[] }).blocks[0]?.text
        .text ?? '';
    expect(text.length).toBeLessThanOrEqual(3_000);
    expect(text.endsWith('|Open the run>')).toBe(true);
  });
});
