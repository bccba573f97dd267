import { monotonicUs } from "./libc.ts";

/** Milliseconds since this boot: comparable between processes, never set back, gone with /run at a reboot. */
export function sinceBootMs(): number {
  return monotonicUs() / 1_000;
}
