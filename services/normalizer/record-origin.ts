import type { Vantage } from '../../schemas/step-kinds.ts';

/** Where the record stands that a row comes from, and who sent it. */
export interface RecordOrigin {
  readonly tenant: string;
  readonly vantage: Vantage;
  readonly logId: string;
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly loggedAtMs: number;
  readonly batchId: string;
  /** Added to every time (demo imports); never part of an identity. */
  readonly shiftNano: bigint;
}
