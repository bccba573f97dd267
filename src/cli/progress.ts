/** A line that says what a long command waits for: on a terminal's standard error only, and taken away at its end. */

import { printable } from "../core/printable.ts";
import type { Cli } from "./world.ts";

/** Shorter waits need no words. */
const QUIET_MS = 2_000;
const EVERY_MS = 500;
const COLUMNS_WITHOUT_KNOWLEDGE = 80;

/** Shows `text` while `work` is under way. Where standard error is no terminal only `work` happens. */
export async function whileShowing<T>(
  cli: Pick<Cli, "error" | "errorIsTerminal" | "columns">,
  text: (elapsedMs: number) => string,
  work: Promise<T>,
  quietMs = QUIET_MS,
): Promise<T> {
  if (!cli.errorIsTerminal) return work;
  const startedMs = performance.now();
  let isShown = false;
  const timer = setInterval(
    () => {
      const elapsedMs = performance.now() - startedMs;
      if (elapsedMs < quietMs) return;
      isShown = true;
      const line = printable(text(elapsedMs), (cli.columns ?? COLUMNS_WITHOUT_KNOWLEDGE) - 1);
      cli.error(`\r${line}\u001b[K`);
    },
    Math.min(EVERY_MS, Math.max(1, quietMs)),
  );
  try {
    return await work;
  } finally {
    clearInterval(timer);
    if (isShown) cli.error("\r\u001b[K");
  }
}

/** Resolves early where the command is interrupted. */
export function pause(ms: number, stop: AbortSignal): Promise<void> {
  if (stop.aborted) return Promise.resolve();
  const { promise, resolve } = Promise.withResolvers<void>();
  const end = (): void => {
    clearTimeout(timer);
    stop.removeEventListener("abort", end);
    resolve();
  };
  const timer = setTimeout(end, ms);
  stop.addEventListener("abort", end, { once: true });
  return promise;
}
