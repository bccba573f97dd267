import { bootTimeMs, monotonicUs } from "./libc.ts";

/** The wall clock's time of boot, as it is set now: adds up with what the kernel stamps its events with. */
export function bootedAtMs(nowMs: number): number {
  return nowMs - bootTimeMs();
}

/** Milliseconds since this boot: comparable between processes, never set back, gone with /run at a reboot. */
export function sinceBootMs(): number {
  return monotonicUs() / 1_000;
}
