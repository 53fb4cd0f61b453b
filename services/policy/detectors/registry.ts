import type { DetectorType } from './detector-type.ts';
import { loop } from './loop.ts';

/** Kinds of detectors a rule file can name. */
export const DETECTOR_TYPES: readonly DetectorType[] = [
  loop, // the same tool with the same arguments again and again
];
