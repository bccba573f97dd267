/**
 * Looks out of turn where only starts are heard (the process connector): at once when something starts that could hold
 * or serve a connection, and once more half a second later, when it may have opened it. At most two a second.
 */
import type { Clock } from "../core/clock.ts";
import type { KernelExec } from "../core/kernel.ts";

export const LOOK_EVERY_MS = 500;
const LOOKS_A_START = 2;
const FILES_MAX = 4_096;

export interface StartLooks {
  hear(exec: KernelExec): void;
}

export function createStartLooks(parts: {
  readonly clock: Clock;
  /** An interpreter, a relay tool, or a file that nobody installed; undefined while nobody can say. */
  readonly isWorthALook: (exec: KernelExec) => boolean | undefined;
  readonly look: () => Promise<void>;
}): StartLooks {
  const { clock } = parts;
  const files = new Map<string, boolean>();
  let left = 0;
  let timer: Timer | undefined;
  let lookedAtMs = Number.NEGATIVE_INFINITY;
  return { hear };

  function hear(exec: KernelExec): void {
    if (!isWorthALook(exec)) return;
    left = LOOKS_A_START;
    plan();
  }

  function isWorthALook(exec: KernelExec): boolean {
    const { device, inode } = exec.task;
    const file = `${device} ${inode}`;
    const known = files.get(file);
    if (known !== undefined) return known;
    const answer = parts.isWorthALook(exec);
    if (answer === undefined) return true;
    if (files.size >= FILES_MAX) files.clear();
    files.set(file, answer);
    return answer;
  }

  function plan(): void {
    if (timer !== undefined || left === 0) return;
    const waitMs = Math.max(0, lookedAtMs + LOOK_EVERY_MS - clock.monotonicMs());
    timer = setTimeout(() => void look(), waitMs);
  }

  async function look(): Promise<void> {
    left--;
    lookedAtMs = clock.monotonicMs();
    await parts.look();
    timer = undefined;
    plan();
  }
}
