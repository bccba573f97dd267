/** One place a notice goes to. The notifier owns filtering, folding and counting; an output only writes. */
import type { OutputStatus } from "../core/control.ts";
import type { Notice } from "../core/notice.ts";
import type { Result } from "../core/result.ts";

export interface Output {
  readonly name: string;
  /** LOG_LEVELS applies: true for what people read, false for what machines collect. */
  readonly filtered: boolean;
  /** False for notices this output has no form for; they are not counted as sent. */
  accepts(notice: Notice): boolean;
  send(notice: Notice): Result<void>;
  maintain(): void;
  close(): void;
  /** Of an output that delivers later: what became of it, where `send` only knows that it was taken. */
  status?(): Omit<OutputStatus, "name">;
}
