/** What we tell somebody: one sentence for people, with the nouns behind it for machines. */
import type { Decision, Finding, Outcome, Severity } from "./nouns.ts";

/** Each kind has its own MESSAGE_ID in the journal. */
export type NoticeKind =
  | "finding"
  | "kill"
  | "disconnect"
  | "rehearsal"
  | "refused"
  | "health"
  | "start"
  | "stop"
  | "config";

export interface Notice {
  readonly kind: NoticeKind;
  readonly severity: Severity;
  readonly atMs: number;
  /** One line: what happened, to what, why, what to do next. Outputs escape what is not printable. */
  readonly message: string;
  /** More for machines, by ECS name; text only. */
  readonly fields: Readonly<Record<string, string>>;
  /** Equal keys of one kind are told once and then counted. Absent: told every time. */
  readonly foldKey?: string;
  readonly about?: NoticeSubject;
}

/** The nouns a notice is about. */
export interface NoticeSubject {
  readonly finding: Finding;
  readonly alertId: string;
  /** How often the alert has been found so far. */
  readonly count: number;
  readonly decision?: Decision;
  readonly outcome?: Outcome;
}
