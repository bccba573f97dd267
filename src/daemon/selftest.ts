/** `selftest`: whether the running sweeps see the asking process and its connection, and whether records are taken. */
import type { Clock } from "../core/clock.ts";
import type { SelftestCheck, SelftestParams, SelftestReport } from "../core/control.ts";
import type { Store } from "../store/types.ts";
import type { LastSweep } from "./pipeline.ts";

const LOOK_EVERY_MS = 250;

export interface SelftestParts {
  readonly clock: Clock;
  readonly lastSweep: () => LastSweep | undefined;
  readonly store: Pick<Store, "status">;
}

/** Waits until both were seen, or the time is up. */
export async function selftest(parts: SelftestParts, params: SelftestParams): Promise<SelftestReport> {
  const { clock } = parts;
  const startedMs = clock.monotonicMs();
  const elapsedMs = () => clock.monotonicMs() - startedMs;
  const seen = new Map<string, SelftestCheck>();
  while (seen.size < 2 && elapsedMs() < params.waitMs) {
    await Bun.sleep(Math.min(LOOK_EVERY_MS, params.waitMs));
    for (const { name, detail } of sightings(parts.lastSweep(), params))
      if (!seen.has(name)) seen.set(name, { name, passed: true, tookMs: elapsedMs(), detail });
  }
  const unseen = (name: string): SelftestCheck => ({
    name,
    passed: false,
    tookMs: elapsedMs(),
    detail: "not seen within the time; look at `algo-monitor status` and `algo-monitor doctor`",
  });
  const { outage } = parts.store.status();
  const record = outage === undefined ? "the database takes records" : `the database is not writable: ${outage.reason}`;
  return {
    checks: [
      seen.get("process") ?? unseen("process"),
      seen.get("connection") ?? unseen("connection"),
      { name: "record", passed: outage === undefined, tookMs: elapsedMs(), detail: record },
    ],
  };
}

function sightings(last: LastSweep | undefined, params: SelftestParams): readonly { name: string; detail: string }[] {
  if (last === undefined) return [];
  const { pid, startedAtTicks } = params.process;
  const found: { name: string; detail: string }[] = [];
  const process = last.view.processes.get(pid);
  if (process?.ref.startedAtTicks === startedAtTicks) {
    const what = process.executable?.path ?? process.name;
    found.push({ name: "process", detail: `pid ${pid} (${what}) was seen by the process scanner` });
  }
  if (last.sockets.some((socket) => socket.remote?.port === params.port && socket.state !== "listen"))
    found.push({
      name: "connection",
      detail: `the connection to 127.0.0.1:${params.port} was seen by the network scanner`,
    });
  return found;
}
