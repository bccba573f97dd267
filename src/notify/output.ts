/** One place a notice goes to. The notifier owns filtering, folding and counting; an output only writes. */
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
}
