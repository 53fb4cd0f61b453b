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
  /** Which part of a split request the record is, from 0: tells equal log records of two parts apart. */
  readonly part: number;
  /** Added to every time (demo imports); never part of an identity. */
  readonly shiftNano: bigint;
}
