import { stringify } from 'yaml';
import { buildDashboard } from './parts/dashboard.ts';
import { alertingFiles, type Pager } from './provisioning/alerting.ts';
import type { Contact } from './provisioning/notifications.ts';
import { dataSourceFile, providerFile } from './provisioning/sources.ts';
import { DASHBOARDS } from './registry.ts';

/** What the files depend on besides the code. */
export interface GrafanaSettings {
  /** Address of the console as a reader's browser sees it. */
  readonly publicUrl: string;
  readonly pager: Pager;
  readonly contacts: readonly Contact[];
  /** TLS to ClickHouse. */
  readonly isSecure: boolean;
}

/** Goes to nobody until Grafana's own mail settings are made: an address in the domain kept for examples. */
const MAIL: Contact = { kind: 'email', name: 'email', addresses: 'oncall@example.org' };

/** Of the default config: what is committed under generated/. */
export const DEFAULT_SETTINGS: GrafanaSettings = {
  publicUrl: 'http://127.0.0.1:7070',
  pager: 'tachograph',
  contacts: [],
  isSecure: false,
};

/** Path below the output folder → text. */
export type Files = ReadonlyMap<string, string>;

const HEAD = '# Written by `node dashboards/build.ts` or `tacho dashboards`; edit the code, not this file.\n';
/** As JSON first: the SDK marks its queries with functions, which are no data. */
const yaml = (value: unknown): string =>
  HEAD + stringify(JSON.parse(JSON.stringify(value)), { lineWidth: 0, aliasDuplicateObjects: false });
const json = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;

/** The folder `alerting/` for one position of the switch, below `folder`. */
const alertingBelow = (folder: string, settings: GrafanaSettings): readonly (readonly [string, string])[] => {
  const contacts = settings.contacts.length > 0 ? settings.contacts : [MAIL];
  return Object.entries(alertingFiles(settings.pager, contacts)).map(([name, file]) => [
    `${folder}/alerting/${name}`,
    yaml(file),
  ]);
};

/** Dashboards and provisioning for one config. Pure and repeatable: no clock, no order of chance. */
export const grafanaFiles = (settings: GrafanaSettings): Files =>
  new Map([
    ...DASHBOARDS.map((spec) => [`dashboards/${spec.uid}.json`, json(buildDashboard(spec, settings))] as const),
    ['provisioning/datasources/tachograph.yaml', yaml(dataSourceFile(settings.isSecure))],
    ['provisioning/dashboards/tachograph.yaml', yaml(providerFile())],
    ...alertingBelow('provisioning', settings),
  ]);

/** What is committed: the default config, and the alerting folder of the other position of the switch. */
export const committedFiles = (): Files =>
  new Map([
    ...grafanaFiles(DEFAULT_SETTINGS),
    ...alertingBelow('provisioning-grafana-pages', { ...DEFAULT_SETTINGS, pager: 'grafana' }),
  ]);
