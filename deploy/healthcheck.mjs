// What the image runs as its HEALTHCHECK: 0 when the service of this container says that it is ready.
const port = process.env.TACHO_HEALTH_PORT;
/** Below the time-out of the HEALTHCHECK (5 s), so that the reason is printed instead of a kill. */
const DEADLINE_MS = 4_000;

try {
  const answer = await fetch(`http://127.0.0.1:${port}/readyz`, { signal: AbortSignal.timeout(DEADLINE_MS) });
  console.log((await answer.text()).slice(0, 1_000));
  process.exitCode = answer.ok ? 0 : 1;
} catch (error) {
  console.log(`port ${port}: ${error.cause ?? error}`);
  process.exitCode = 1;
}
