/**
 * Sends spans over OTLP/HTTP at a steady rate, whether they are taken quickly or not (open loop): a program, so that its
 * CPU and its event loop are its own. `node test/bench/load-sender.ts OTLP_URL SPANS_A_SECOND SECONDS SEED`.
 * Prints one line of JSON at its end: what was accepted, what was refused (429, 503: a sender would keep it), what failed.
 */
import { Agent, request } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { endlessPayloads, type Payload } from './payloads.ts';

const [url = '', rateText, secondsText, seedText] = process.argv.slice(2);
const rate = Number(rateText);
const endAfterMs = Number(secondsText) * 1000;
/** Requests on their way at once: what a fleet of agents holds open. Beyond it the sender is late and says so. */
const IN_FLIGHT_MAX = 128;
const TICK_MS = 5;
const ANSWER_MAX_MS = 30_000;

const agent = new Agent({ keepAlive: true, maxSockets: IN_FLIGHT_MAX });
const target = new URL('/v1/traces', url);
const counts = { due: 0, accepted: 0, refused: 0, failed: 0, late: 0 };
let inFlight = 0;

const send = (payload: Payload): void => {
  inFlight += 1;
  let isCounted = false;
  const done = (into: 'accepted' | 'refused' | 'failed'): void => {
    if (isCounted) return;
    isCounted = true;
    inFlight -= 1;
    counts[into] += payload.spans;
  };
  const headers = { 'content-type': 'application/x-protobuf', 'content-length': payload.bytes.length };
  const sent = request(target, { method: 'POST', agent, headers, timeout: ANSWER_MAX_MS }, (answer) => {
    answer.resume();
    answer.once('end', () => done(answer.statusCode === 200 ? 'accepted' : 'refused'));
    answer.once('error', () => done('failed'));
  });
  sent.once('timeout', () => sent.destroy(new Error('no answer')));
  sent.once('error', () => done('failed'));
  sent.end(payload.bytes);
};

const payloads = endlessPayloads(Number(seedText), BigInt(Date.now()) * 1_000_000n)[Symbol.iterator]();
const beganMs = performance.now();
for (let elapsedMs = 0; elapsedMs < endAfterMs; elapsedMs = performance.now() - beganMs) {
  while (counts.due < (rate * elapsedMs) / 1000) {
    const { value } = payloads.next();
    if (value === undefined) break;
    counts.due += value.spans;
    if (inFlight >= IN_FLIGHT_MAX) counts.late += value.spans;
    else send(value);
  }
  await delay(TICK_MS);
}
while (inFlight > 0) await delay(TICK_MS);
agent.destroy();
console.log(JSON.stringify(counts));
