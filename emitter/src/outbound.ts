/** A record for Kafka; `items` is how many spans, log records or events it carries. */
export interface OutboundRecord {
  readonly topic: string;
  readonly key: string;
  readonly value: Uint8Array;
  readonly headers: Readonly<Record<string, string>>;
  readonly items: number;
}

/** Where records wait for the broker. One `take` at a time; the order of `offer` is the order of `take`. */
export interface WaitingLine {
  /** 'kept' once it waits safely; 'full' or 'failed' when it was not taken. Never throws. */
  readonly offer: (records: readonly OutboundRecord[]) => Promise<readonly Kept[]>;
  /** The records at the front, within the limits but at least one; [] when none waits. They stay until confirmed. */
  readonly take: (recordsMax: number, bytesMax: number) => Promise<readonly OutboundRecord[]>;
  /** The first `count` of the last `take` need not be kept any longer. */
  readonly confirm: (count: number) => Promise<void>;
  readonly waiting: () => { readonly records: number; readonly items: number; readonly bytes: number };
  /** What survives the process stays where it is; resolves once it does. */
  readonly close: () => Promise<void>;
  /** true: what waits here survives the end of the process. */
  readonly isDurable: boolean;
}

export type Kept = 'kept' | 'full' | 'failed';

/** A record in memory and on its way, besides what it carries; generous. */
const RECORD_OVERHEAD_BYTES = 128;

/** Bytes a record counts against a limit. */
export const bytesOf = ({ key, value, headers }: OutboundRecord): number => {
  let bytes = RECORD_OVERHEAD_BYTES + value.length + key.length;
  for (const [name, text] of Object.entries(headers)) bytes += name.length + text.length;
  return bytes;
};
