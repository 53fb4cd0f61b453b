import { DATA_SOURCE_UID, PLUGIN } from '../parts/target.ts';
import { FOLDER } from '../rules/rule.ts';

/** Where the dashboards' JSON is mounted in Grafana's container. */
export const MOUNTED_AT = '/etc/grafana/tachograph';

/**
 * A query's time. The plugin's driver asks ClickHouse for five seconds more than are left, and a user who may ask for at
 * most 60 would be refused every query with 60 here.
 */
const QUERY_SECONDS = 50;

/**
 * `datasources/tachograph.yaml`. Host, user and password come from Grafana's environment; no secret has a default.
 * `isSecure`: TLS to ClickHouse.
 */
export const dataSourceFile = (isSecure: boolean) => ({
  apiVersion: 1,
  datasources: [
    {
      orgId: 1,
      name: 'Tachograph',
      uid: DATA_SOURCE_UID,
      type: PLUGIN,
      access: 'proxy',
      editable: false,
      jsonData: {
        host: '${CLICKHOUSE_HOST}',
        port: '${CLICKHOUSE_PORT}',
        protocol: 'http',
        secure: isSecure,
        username: '${CLICKHOUSE_USER}',
        defaultDatabase: '${CLICKHOUSE_DATABASE}',
        dialTimeout: '10',
        queryTimeout: String(QUERY_SECONDS),
      },
      secureJsonData: { password: '${CLICKHOUSE_PASSWORD}' },
    },
  ],
});

/** `dashboards/tachograph.yaml`: the folder, and that nobody edits there what is written here. */
export const providerFile = () => ({
  apiVersion: 1,
  providers: [
    {
      orgId: 1,
      name: 'tachograph',
      folder: FOLDER,
      folderUid: 'tachograph',
      type: 'file',
      disableDeletion: true,
      allowUiUpdates: false,
      updateIntervalSeconds: 30,
      options: { path: MOUNTED_AT, foldersFromFilesStructure: false },
    },
  ],
});
