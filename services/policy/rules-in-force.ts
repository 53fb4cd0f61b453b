import { assert, TransportError } from '../runtime/errors.ts';
import type { Metrics } from '../runtime/metrics.ts';
import type { Clock, EventLog, Health, Logger, OutgoingRecord, RuleFiles, Store } from '../runtime/ports.ts';
import { admitRuleSet } from './admit.ts';
import type { RuleSets } from './fold.ts';
import { emptyRuleSet, type LoadOutcome, loadRuleSet } from './load.ts';
import { problemText, type RuleProblem } from './problem.ts';
import type { RuleSet } from './rule-set.ts';
import { clearedEvent, type RuleSetMoment, refusedEvent } from './rule-set-events.ts';
import { createRuleSetStore, refusalHash } from './rule-set-store.ts';

export interface RulesDeps {
  readonly files: RuleFiles;
  readonly store: Store;
  readonly log: EventLog;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** The rules of a folder: loaded, watched, and kept so that every batch can be judged again as it was. */
export interface RulesInForce {
  readonly sets: RuleSets;
  /** Resolves when a set is in force (or when it is known that there is none), and watches from then on. */
  readonly start: () => Promise<void>;
  readonly health: () => Health;
  readonly drain: () => Promise<void>;
}

/** A change is decided within half a second: a look every so often, and one more to see that whoever writes has finished. */
const LOOK_MS = 150;
/** The store did not take what was loaded. */
const RETRY_MS = 2_000;
/** Files that never come to rest are loaded as they are. */
const RESTLESS_LOOKS_MAX = 3;
/** Older sets at hand for batches that began under them; what falls out is read from the store again. */
const SETS_MAX = 8;
/** Events waiting for a log that does not answer; the newest tell all. */
const EVENTS_MAX = 50;

/** Builds the rules of a folder. Loading is all or nothing: a refused set changes nothing but what is told of it. */
export const createRulesInForce = (deps: RulesDeps): RulesInForce => new Rules(deps);

class Rules implements RulesInForce {
  readonly sets: RuleSets;
  readonly #deps: RulesDeps;
  readonly #kept: ReturnType<typeof createRuleSetStore>;
  readonly #stop = new AbortController();
  readonly #empty = emptyRuleSet();
  readonly #known = new Map<string, RuleSet>();
  #current: RuleSet = this.#empty;
  /** Whether anything at all is in force: an empty folder is, a folder that cannot be read is not. */
  #isInForce = false;
  #problems: readonly RuleProblem[] = [];
  /** The stamp of the files that were decided on. */
  #decided = '';
  #events: OutgoingRecord[] = [];
  #running: Promise<void> = Promise.resolve();

  constructor(deps: RulesDeps) {
    this.#deps = deps;
    this.#kept = createRuleSetStore(deps.store);
    this.sets = {
      current: () => this.#current.hash,
      get: (hash) => {
        const set = hash === '' ? this.#current : this.#find(hash);
        assert(set !== undefined, `rule set ${hash} was made ready`);
        return set;
      },
      ready: async (hash, signal) => this.#ready(hash, signal),
      find: this.#kept.hashOfBatch,
    };
  }

  async start(): Promise<void> {
    const { signal } = this.#stop;
    const last = await this.#kept.last(signal);
    // Whoever judged before this process decides: a broken folder must not end what is in force.
    if (last.hash !== null) await this.#takeBack(last.hash, signal);
    this.#decided = await this.#deps.files.stamp();
    await this.#load(last.isRefused, 0, signal);
    this.#running = this.#watch(signal);
  }

  health(): Health {
    if (this.#problems.length === 0) return { state: 'ok', detail: '' };
    const [first] = this.#problems;
    const what = first === undefined ? '' : problemText(first);
    const left = this.#isInForce ? `${this.#current.hash.slice(0, 8)} stays in force` : 'nothing is judged';
    return { state: 'degraded', detail: `rule set refused, ${left}: ${what}` };
  }

  async drain(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  #find(hash: string): RuleSet | undefined {
    return hash === this.#current.hash
      ? this.#current
      : hash === this.#empty.hash
        ? this.#empty
        : this.#known.get(hash);
  }

  /** A batch that began under an older set is judged by that one: it stands whole in the store. */
  async #ready(hash: string, signal: AbortSignal): Promise<void> {
    if (hash === '' || this.#find(hash) !== undefined) return;
    const files = await this.#kept.filesOf(hash, signal);
    const outcome = files === null ? null : loadRuleSet(files);
    if (outcome?.kind === 'loaded') return this.#remember(outcome.set, hash);
    const why = outcome === null ? 'is not in policy_rulesets' : 'is no longer understood by this version';
    throw new TransportError('STORE_REJECTED', `rule set ${hash}, under which a batch began, ${why}`, {
      retryable: outcome === null,
    });
  }

  #remember(set: RuleSet, hash: string): void {
    this.#known.delete(hash);
    this.#known.set(hash, set);
    for (const oldest of this.#known.keys()) {
      if (this.#known.size <= SETS_MAX) break;
      this.#known.delete(oldest);
    }
  }

  async #takeBack(hash: string, signal: AbortSignal): Promise<void> {
    const files = await this.#kept.filesOf(hash, signal);
    const outcome: LoadOutcome | null = files === null ? null : loadRuleSet(files);
    if (outcome?.kind !== 'loaded') return;
    this.#enforce(outcome.set);
  }

  #enforce(set: RuleSet): void {
    this.#remember(this.#current, this.#current.hash);
    this.#current = set;
    this.#isInForce = true;
    this.#deps.metrics.gauge('policy_rules', set.rules.length + set.detectors.length);
  }

  /**
   * `wasRefused`: what was loaded before, perhaps by a process before this one, was refused. `seenAtMs`: when the change was
   * seen, 0 at a start; not every change is in the times of the files (a folder that is gone, rights that were taken).
   */
  async #load(wasRefused: boolean, seenAtMs: number, signal: AbortSignal): Promise<void> {
    const { clock, files, logger, metrics } = this.#deps;
    const folder = await files.read();
    const outcome = admitRuleSet(folder.files);
    const changedAtMs = Math.max(Math.floor(folder.changedAtMs), seenAtMs);
    const moment: RuleSetMoment = { dir: files.dir, atMs: clock.nowMs(), changedAtMs };
    if (outcome.kind === 'loaded') {
      const { set } = outcome;
      // Written before it judges: a batch whose intent names this hash can be judged by it again.
      if (!this.#isInForce || set.hash !== this.#current.hash || wasRefused)
        await this.#kept.keepInForce(set, moment.atMs, signal);
      this.#enforce(set);
      this.#problems = [];
      if (wasRefused) this.#tell(clearedEvent(moment, set.hash));
      metrics.count('policy_reloads_total', { outcome: 'loaded' });
      logger.info({ ruleset: set.hash, rules: set.rules.length + set.detectors.length }, 'rule set in force');
    } else {
      const { problems } = outcome;
      this.#problems = problems;
      const inForce = this.#isInForce ? this.#current.hash : null;
      this.#tell(refusedEvent(moment, refusalHash(folder.files, problems), problems, inForce));
      metrics.count('policy_reloads_total', { outcome: 'refused' });
      logger.error(
        { dir: files.dir, problems: problems.map(problemText), in_force: inForce },
        'rule set refused; what was in force stays',
      );
      metrics.gauge('policy_ruleset_refused', 1);
      // Told before it is kept: a store that is away must not hide that the rules are broken.
      await this.#flush(signal);
      await this.#kept.keepRefused(folder.files, problems, moment.atMs, signal);
      return;
    }
    metrics.gauge('policy_ruleset_refused', 0);
    await this.#flush(signal);
  }

  #tell(event: OutgoingRecord): void {
    this.#events = [...this.#events, event].slice(-EVENTS_MAX);
  }

  /** At least once: readers take an event id once. What the log does not take now waits for the next look. */
  async #flush(signal: AbortSignal): Promise<void> {
    const events = this.#events;
    if (events.length === 0) return;
    try {
      await this.#deps.log.append(events, signal);
      this.#events = this.#events.filter((event) => !events.includes(event));
    } catch (error) {
      if (!(error instanceof TransportError)) throw error;
      if (!signal.aborted) this.#deps.logger.warn({ err: error }, 'what became of the rule set could not be told yet');
    }
  }

  async #watch(signal: AbortSignal): Promise<void> {
    let seen = this.#decided;
    let seenAtMs = 0;
    let restless = 0;
    while (!signal.aborted) {
      try {
        await this.#deps.clock.sleep(LOOK_MS, signal);
        const stamp = await this.#deps.files.stamp();
        const isAtRest = stamp === seen || restless >= RESTLESS_LOOKS_MAX;
        restless = isAtRest ? 0 : restless + 1;
        if (stamp !== seen) seenAtMs = this.#deps.clock.nowMs();
        seen = stamp;
        if (stamp === this.#decided) await this.#flush(signal);
        else if (isAtRest) {
          await this.#load(this.#problems.length > 0, seenAtMs, signal);
          this.#decided = stamp;
        }
      } catch (error) {
        if (signal.aborted) return;
        // The store does not take the set now: nothing changed, the next look tries again.
        this.#deps.logger.warn({ err: error }, 'rule set could not be loaded yet');
        await this.#deps.clock.sleep(RETRY_MS, signal).catch(() => {});
      }
    }
  }
}
