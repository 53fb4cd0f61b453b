import type { ConfigProblem } from '../../runtime/errors.ts';
import type { Metrics } from '../../runtime/metrics.ts';
import type { Clock, Health, Logger, RuleFiles } from '../../runtime/ports.ts';
import { type LoadedBook, loadPriceBook } from './book.ts';

export interface PricesDeps {
  /** The folder of price files; null: nobody changes them, as there is none. */
  readonly files: RuleFiles | null;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Told of each other book before it is in force. May throw TransportError: then the old one stays and it is tried again. */
  readonly take: (loaded: LoadedBook, atMs: number, signal: AbortSignal) => Promise<void>;
}

/** The price files of a folder, watched. All or nothing: a folder with a mistake leaves the book that was loaded in force. */
export interface PricesInForce {
  readonly current: () => LoadedBook;
  readonly start: () => void;
  /** Degraded, with file, line and column, while the files on disk are not what is in force. */
  readonly health: () => Health;
  readonly drain: () => Promise<void>;
}

/** Prices are edited by hand and nobody waits for them at the terminal: a change counts within some three seconds. */
const LOOK_MS = 1_000;
/** The store did not take what was loaded. */
const RETRY_MS = 5_000;
/** Files that never come to rest are loaded as they are. */
const RESTLESS_LOOKS_MAX = 3;

/** Builds the watch over the files that `loaded` was made of. Nothing happens before it is started. */
export const createPricesInForce = (loaded: LoadedBook, deps: PricesDeps): PricesInForce => {
  const prices = new Prices(loaded, deps);
  return {
    current: () => prices.current,
    start: () => prices.start(),
    health: () => prices.health(),
    drain: () => prices.drain(),
  };
};

class Prices {
  current: LoadedBook;
  readonly #deps: PricesDeps;
  readonly #stop = new AbortController();
  #problems: readonly ConfigProblem[] = [];
  /** The stamp of the files that were decided on; '' before the first look: the files may have changed since they were read. */
  #decided = '';
  #seen = '';
  #restless = 0;
  #running: Promise<void> = Promise.resolve();

  constructor(loaded: LoadedBook, deps: PricesDeps) {
    this.current = loaded;
    this.#deps = deps;
  }

  start(): void {
    const { files } = this.#deps;
    if (files !== null) this.#running = this.#watch(files, this.#stop.signal);
  }

  health(): Health {
    const [first] = this.#problems;
    if (first === undefined) return { state: 'ok', detail: '' };
    const more = this.#problems.length === 1 ? '' : ` (and ${this.#problems.length - 1} more)`;
    const left = `book ${this.current.book.hash.slice(0, 8)} stays in force`;
    return { state: 'degraded', detail: `price files refused, ${left}: ${problemText(first)}${more}` };
  }

  async drain(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async #watch(files: RuleFiles, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.#deps.clock.sleep(LOOK_MS, signal);
        await this.#look(files, signal);
      } catch (error) {
        if (signal.aborted) return;
        this.#deps.logger.warn({ err: error }, 'price files could not be loaded yet');
        await this.#deps.clock.sleep(RETRY_MS, signal).catch(() => {});
      }
    }
  }

  /** Decides once per change, when whoever writes has finished: the stamp is that of the look before. */
  async #look(files: RuleFiles, signal: AbortSignal): Promise<void> {
    const stamp = await files.stamp();
    const isAtRest = stamp === this.#seen || this.#restless >= RESTLESS_LOOKS_MAX;
    this.#restless = isAtRest ? 0 : this.#restless + 1;
    this.#seen = stamp;
    if (stamp === this.#decided || !isAtRest) return;
    await this.#load(files, signal);
    this.#decided = stamp;
  }

  async #load(files: RuleFiles, signal: AbortSignal): Promise<void> {
    const { clock, logger, metrics, take } = this.#deps;
    const { files: found } = await files.read();
    // Where there was no folder at the start there is none to be missed; one that has gone is a mistake.
    const isFolderGone = found.some(({ path, text }) => path === files.dir && text === null);
    if (isFolderGone && Object.keys(this.current.files).length === 0) return;
    const read = loadPriceBook(found);
    if (read.kind === 'refused') return this.#refuse(read.problems);
    if (read.book.hash !== this.current.book.hash) {
      await take(read, clock.nowMs(), signal);
      metrics.count('price_reloads_total', { outcome: 'loaded' });
      logger.info({ price_book: read.book.hash, own: read.own.length }, 'price book in force');
    }
    this.current = read;
    this.#problems = [];
    metrics.gauge('price_book_refused', 0);
  }

  #refuse(problems: readonly ConfigProblem[]): void {
    this.#problems = problems;
    this.#deps.metrics.count('price_reloads_total', { outcome: 'refused' });
    this.#deps.metrics.gauge('price_book_refused', 1);
    this.#deps.logger.error(
      { problems: problems.map(problemText), in_force: this.current.book.hash },
      'price files refused; the book that was loaded stays in force',
    );
  }
}

const problemText = ({ key, value, allowed }: ConfigProblem): string => `${key}: is ${value}; allowed: ${allowed}`;
