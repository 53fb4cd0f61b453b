import type { z } from 'zod';
import type { StepKind } from '../../../schemas/step-kinds.ts';
import type { RuleProblem } from '../problem.ts';
import type { CompiledDetector } from '../rule-set.ts';
import type { YamlPath } from '../yaml-documents.ts';

/** A kind of stateful policy: one file in this folder, one line in registry.ts. */
export interface DetectorType {
  readonly type: string;
  /** Names a title may use besides fields of the step. */
  readonly extras: readonly string[];
  /** Kinds it can look at when the document does not say. */
  readonly on: readonly StepKind[];
  /** Fields without which a step says nothing to it, with their `e.`. */
  readonly requires: readonly string[];
  /** Settings of the document beside the common ones. */
  readonly settings: z.ZodRawShape;
  /** What the shape alone cannot say: problems at paths of the document. */
  readonly problems: (settings: Readonly<Record<string, unknown>>) => readonly { path: YamlPath; message: string }[];
  readonly build: (settings: Readonly<Record<string, unknown>>) => CompiledDetector['open'];
}

/** Reported at a place of the file. */
export type PlacedProblem = (path: YamlPath, message: string, offset?: number) => RuleProblem;
