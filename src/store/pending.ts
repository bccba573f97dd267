/**
 * Rows that wait for a database that cannot be written: bounded in number and size. When it is full, events go
 * first, because findings and decisions carry their own event.
 */
import type { Write } from "./statements.ts";

export interface PendingRows {
  push(write: Write): void;
  /** In the order they came. */
  peek(): readonly Write[];
  clear(): void;
  size(): number;
  /** Rows that found no room, since start. */
  dropped(): number;
  takeDroppedSinceTold(): number;
}

export function pendingRows(rowsMax: number, charactersMax: number): PendingRows {
  let rows: Write[] = [];
  let characters = 0;
  let dropped = 0;
  let told = 0;
  /** All rows before this one are no events; keeps eviction linear over a whole outage. */
  let firstEventAtLeast = 0;

  function evict(): void {
    while (firstEventAtLeast < rows.length && rows[firstEventAtLeast]?.table !== "events") firstEventAtLeast++;
    const index = firstEventAtLeast < rows.length ? firstEventAtLeast : 0;
    const [gone] = rows.splice(index, 1);
    if (index === 0 && firstEventAtLeast > 0) firstEventAtLeast--;
    characters -= gone?.sizeCharacters ?? 0;
    dropped++;
  }

  return {
    push: (write) => {
      const full = () => rows.length >= rowsMax || characters + write.sizeCharacters > charactersMax;
      if (write.table === "events" && full()) {
        dropped++;
        return;
      }
      while (rows.length > 0 && full()) evict();
      rows.push(write);
      characters += write.sizeCharacters;
    },
    peek: () => rows,
    clear: () => {
      rows = [];
      characters = 0;
      firstEventAtLeast = 0;
    },
    size: () => rows.length,
    dropped: () => dropped,
    takeDroppedSinceTold: () => {
      const count = dropped - told;
      told = dropped;
      return count;
    },
  };
}
