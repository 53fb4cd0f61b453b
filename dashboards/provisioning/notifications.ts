import {
  type ContactPoint,
  ContactPointBuilder,
  NotificationPolicyBuilder,
} from '@grafana/grafana-foundation-sdk/alerting';

/** Where Grafana's notifications go. */
export type Contact =
  | { readonly kind: 'webhook' | 'slack'; readonly name: string; readonly url: string }
  | { readonly kind: 'email'; readonly name: string; readonly addresses: string };

/** The one receiver every route ends in. */
export const RECEIVER = 'tachograph';

/**
 * Settings of a contact point are taken as written by some versions of Grafana and expanded by others, so no variable
 * may stand in them, nor any other dollar sign.
 */
const withoutDollar = (url: string): string => url.replaceAll('$', '%24');

const settingsOf = (contact: Contact): Readonly<Record<string, unknown>> => {
  switch (contact.kind) {
    case 'email':
      return { addresses: contact.addresses, singleEmail: true };
    case 'slack':
      return { url: withoutDollar(contact.url) };
    case 'webhook':
      return { url: withoutDollar(contact.url), httpMethod: 'POST' };
  }
};

const builtContact = (contact: Contact): ContactPoint =>
  new ContactPointBuilder()
    .uid(`tachograph-${contact.name}`.slice(0, 40))
    .name(RECEIVER)
    .type(contact.kind)
    .settings(settingsOf(contact))
    .disableResolveMessage(false)
    .build();

/** `alerting/contact-points.yaml`. Holds the addresses of the sinks, which are secrets. */
export const contactPointsFile = (contacts: readonly Contact[]) => ({
  apiVersion: 1,
  contactPoints: [
    {
      orgId: 1,
      name: RECEIVER,
      receivers: contacts.map((contact) => {
        const { uid, type, settings, disableResolveMessage } = builtContact(contact);
        return { uid, type, settings, disableResolveMessage };
      }),
    },
  ],
});

/** `alerting/policies.yaml`: replaces the whole policy of the organisation. What wakes somebody is repeated sooner. */
export const policiesFile = () => ({
  apiVersion: 1,
  policies: [
    {
      orgId: 1,
      ...new NotificationPolicyBuilder()
        .receiver(RECEIVER)
        .groupBy(['grafana_folder', 'alertname'])
        .groupWait('30s')
        .groupInterval('5m')
        .repeatInterval('12h')
        .routes([
          new NotificationPolicyBuilder()
            .receiver(RECEIVER)
            .objectMatchers([['severity', '=', 'critical']])
            .groupWait('10s')
            .repeatInterval('2h'),
        ])
        .build(),
    },
  ],
});
