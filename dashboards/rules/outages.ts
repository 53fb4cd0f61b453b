/** Part of docs/runbook.md: what each outage looks like from outside, and what it asks of a person. Shown by test/system/outage-*.test.ts. */
export const outageText = `# When something is away or full

Whoever was answered 200 is stored once, through each of these. Whoever was not still has the data and sends it again:
every no is 503 with \`Retry-After\`, over gRPC \`UNAVAILABLE\` with \`RetryInfo\`, within 8 s.

| what | senders | inside | to do |
|---|---|---|---|
| ClickHouse away, mute or slow | notice nothing | the log is the buffer, batches grow, /readyz says \`store\`; memory stays | bring it back; the backlog drains beside new data |
| the embedded engine dies | notice nothing | it is started again on its data | nothing, unless it dies again and again: its log says why |
| broker away or frozen | 503 | receiver *degraded*, \`LOG_UNAVAILABLE\` or \`ABORTED\` | bring it back |
| embedded log full (\`retention.log_mb_max\`) of what the store does not take | 503 | receiver *degraded*, \`LOG_FULL\`; services still write what they make of it, so that it drains | bring the store back, or raise the limit |
| disk below its reserve (\`disk.reserve_mb\`) | 503 | receiver *degraded*, an incident of source \`disk\`, \`tacho_ingest_stopped\` 1; services go on | make room; taken again with a tenth of the reserve to spare |
| disk full to the last byte | 503 | log and engine refuse, \`NOT_ENOUGH_SPACE\`; batches wait | make room, nothing else: no restart, no repair |
| the clock jumps | notice nothing | the time of the log never goes back; unread records are kept whatever the clock says | set it right; rows of the time between carry its times |

After any of them: \`npx tacho audit\`.

## Retention

Days by table, by the time a record was logged, whole parts at once: \`retention.*\` in config/tachograph.yaml, one family for
several tables and \`retention.tables\` for single ones. A change counts at the next start of a process that manages the
schema, or with \`npx tacho migrate\`; \`npx tacho doctor\` shows what each table has. Shorter drops parts within minutes to hours,
longer brings nothing back.

- No table but \`span_content\` may be shorter than \`retention.topic_hours\` and a day: a batch that is read again must find what
  it wrote. \`batches\` lives as long as the longest table it proves. Both are checked at start.
- \`state_days\` is how late a step may come: after it, its run begins anew.
- The embedded log takes over a changed \`topic_hours\` at the next start. On Kafka topics keep what they were made with: change
  \`retention.ms\` there.
- Kafka removes by age what was not read, too. An outage longer than that stops the partition, with the gap counted.
`;
