import { type Html, html } from '../html.ts';
import { page } from '../layout.ts';
import type { View } from '../view.ts';

interface Way {
  readonly title: string;
  readonly detail: string;
  readonly code: string;
}

/** Endpoint of OTLP/HTTP and gRPC as the docs name them; a receiver elsewhere has its own address. */
const HTTP = 'http://localhost:4318';
const GRPC = 'http://localhost:4317';

const WAYS: readonly Way[] = [
  {
    title: 'Any OpenTelemetry SDK',
    detail: 'Python, TypeScript, Java, Go, .NET; with the GenAI, OpenInference, OpenLLMetry and framework conventions.',
    code: `export OTEL_EXPORTER_OTLP_ENDPOINT=${HTTP}
export OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf
export OTEL_SERVICE_NAME=my-agent
# over gRPC: port 4317, and OTEL_EXPORTER_OTLP_PROTOCOL=grpc
# prompts and answers too, where you may keep them:
export OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT=true`,
  },
  {
    title: 'OpenTelemetry Collector',
    detail:
      'Add an exporter, over gRPC or HTTP, to the pipelines that carry traces and logs. Or write to Kafka with its kafkaexporter.',
    code: `exporters:
  otlp/tachograph:
    endpoint: ${GRPC.replace('http://', '')}
    tls: { insecure: true }
    headers: { x-tacho-tenant: default }
  # over HTTP: otlphttp/tachograph and ${HTTP}
service:
  pipelines:
    traces: { receivers: [otlp], exporters: [otlp/tachograph] }
    logs:   { receivers: [otlp], exporters: [otlp/tachograph] }`,
  },
  {
    title: 'Claude Code',
    detail: 'Set in the shell, or under "env" in ~/.claude/settings.json.',
    code: `export CLAUDE_CODE_ENABLE_TELEMETRY=1
export OTEL_LOGS_EXPORTER=otlp
export OTEL_METRICS_EXPORTER=otlp
export OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf
export OTEL_EXPORTER_OTLP_ENDPOINT=${HTTP}`,
  },
  {
    title: 'Codex CLI',
    detail: 'In ~/.codex/config.toml.',
    code: `[otel]
environment = "dev"
log_user_prompt = false
exporter = { otlp-http = { endpoint = "${HTTP}/v1/logs", protocol = "binary" } }`,
  },
  {
    title: 'Gemini CLI',
    detail: 'In ~/.gemini/settings.json.',
    code: `{
  "telemetry": {
    "enabled": true,
    "target": "local",
    "otlpEndpoint": "${GRPC}",
    "otlpProtocol": "grpc",
    "logPrompts": false
  }
}`,
  },
  {
    title: 'What stands beside the agent',
    detail: 'A gateway, proxy or person reports what an agent does outside its traces.',
    code: 'POST /api/v1/actions    (schema: /openapi.json)',
  },
];

/** The ways in, as cards. */
export const connectBody = (): Html =>
  html`<div class="ways">${WAYS.map((way) => html`<section><header><h2>${way.title}</h2><button type="button" class="copy" data-copy="${way.code}">Copy</button></header><p class="quiet">${way.detail}</p><pre tabindex="0">${way.code}</pre></section>`)}</div>
<p class="quiet pad">Another tenant than <code>default</code>: send the header <code>x-tacho-tenant</code> (<code>OTEL_EXPORTER_OTLP_HEADERS=x-tacho-tenant=acme</code>). On an address other than loopback senders also need a token: <code>Authorization: Bearer …</code>.</p>`;

/** How to send telemetry here. Needs no store. */
export const connectPage = (view: View): string =>
  page(view, {
    title: 'Connect',
    body: html`<section class="run-head"><h1>Connect an agent</h1><p class="quiet">OTLP over HTTP on 4318 and gRPC on 4317. What is sent shows up within two seconds.</p></section>${connectBody()}`,
  });
