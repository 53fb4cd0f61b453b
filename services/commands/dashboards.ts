import { relative } from 'node:path';
import { type GrafanaSettings, grafanaFiles } from '../../dashboards/generate.ts';
import type { Contact } from '../../dashboards/provisioning/notifications.ts';
import { writeFiles } from '../../dashboards/write.ts';
import type { Config } from '../runtime/config-schema.ts';
import type { World } from './world.ts';

/** What Grafana's files depend on, from the config in force. */
export const grafanaSettings = ({ alerts, api, clickhouse }: Config): GrafanaSettings => ({
  publicUrl: (alerts.public_url === '' ? `http://${api.host}:${api.port}` : alerts.public_url).replace(/\/+$/, ''),
  pager: alerts.pager,
  contacts: alerts.sinks.map((sink): Contact => ({ kind: sink.kind, name: sink.name, url: sink.url })),
  isSecure: clickhouse.url.startsWith('https:'),
});

/** Writes dashboards, alert rules and provisioning for this config below `out`, and prints what it wrote. */
export const writeDashboards = (world: World, out: string): number => {
  const settings = grafanaSettings(world.config);
  for (const path of writeFiles(out, grafanaFiles(settings))) world.print(relative('', path) || path);
  world.print('');
  world.print(`console links lead to ${settings.publicUrl} (alerts.public_url)`);
  world.print(
    settings.pager === 'grafana'
      ? 'Grafana pages about budgets and violations (alerts.pager: grafana)'
      : 'Tachograph pages about budgets and violations; their rules in Grafana are removed (alerts.pager: tachograph)',
  );
  world.print(
    settings.contacts.length > 0
      ? `contact point: ${settings.contacts.map(({ name }) => name).join(', ')} (alerts.sinks); contact-points.yaml holds their addresses and is readable by you alone: give it to Grafana's user`
      : 'contact point: mail to oncall@example.org, until alerts.sinks names one',
  );
  world.print(
    'Grafana needs CLICKHOUSE_HOST, CLICKHOUSE_PORT, CLICKHOUSE_DATABASE, CLICKHOUSE_USER, CLICKHOUSE_PASSWORD',
  );
  return 0;
};
