/**
 * The sensor as a process of ours: starts it, reads its records, sends it policy, watches its heart, starts it again.
 * It never judges; whoever owns it is told `began`, every record, and `ended`. A sensor that keeps dying is left alone
 * for longer each time, at most a minute, and the scans guard meanwhile.
 */
import type { Clock } from "../core/clock.ts";
import { messageOf, type Result } from "../core/result.ts";
import { createFramer } from "./framing.ts";
import { type Beat, beatOf, canarySeen, type Hello, helloOf, RECORD, type SensorStep } from "./own_records.ts";
import { type SensorProcess, startedSensor } from "./process.ts";

/** It speaks every second. */
const SILENCE_MS_MAX = 3_000;
const RESTART_MS_MIN = 100;
const RESTART_MS_MAX = 60_000;
/** Who lived so long begins anew with the shortest delay. */
const STEADY_MS = 60_000;
const CANARY_EVERY_MS = 60_000;
const CANARY_WITHIN_MS = 5_000;

export interface SensorParts {
  readonly clock: Clock;
  readonly executable: () => Promise<Result<string>>;
  readonly canaryFrame: (nonce: bigint) => Uint8Array;
  readonly stopFrame: () => Uint8Array;
  /** It runs and knows nothing yet. */
  readonly onBegan: (hello: Hello) => void;
  /** Of one that is not about the sensor itself. Valid during the call only. */
  readonly onRecord: (record: Uint8Array) => void;
  /** It is gone, or could not be started. Told once for each time. */
  readonly onEnded: (reason: string) => void;
  /** A canary was not seen: the first time degrades, the second restarts. */
  readonly onMissedCanary: (missed: number) => void;
}

export interface SensorStatus {
  readonly state: SensorStep | "starting" | "off";
  /** Why not by BPF. */
  readonly reason?: string;
  readonly pid?: number;
  readonly hooks: Hello["hooks"];
  readonly beat?: Beat;
  readonly restarts: number;
  readonly canary: { readonly seen: number; readonly missed: number; readonly lastAtMs?: number };
}

export interface Sensor {
  start(): void;
  /** False where nobody takes it. */
  send(frame: Uint8Array): boolean;
  /** Once a second: heart, canaries, restarts. */
  tick(): void;
  /** Ends it in order; it is not started again. */
  stop(): Promise<void>;
  status(): SensorStatus;
  /** Of the running one. */
  pid(): number | undefined;
}

interface Running {
  readonly process: SensorProcess;
  readonly startedMs: number;
  hello: Hello | undefined;
  lastBeatMs: number;
}

export function createSensor(parts: SensorParts): Sensor {
  const { clock } = parts;
  let running: Running | undefined;
  let wanted = false;
  let reason = "not started";
  let beat: Beat | undefined;
  let restarts = -1;
  let delayMs = RESTART_MS_MIN;
  let retry: Timer | undefined;
  const canary = createCanary();
  return {
    start: () => {
      wanted = true;
      void begin();
    },
    send: (frame) => running?.hello !== undefined && running.process.write(frame),
    tick,
    stop,
    status,
    pid: () => running?.process.pid,
  };

  async function begin(): Promise<void> {
    retry = undefined;
    if (!wanted || running !== undefined) return;
    const path = await parts.executable();
    if (!wanted) return;
    // Nothing will change that before the next start of the daemon.
    if (!path.ok) return lost(path.fault.message, undefined);
    const framer = createFramer();
    const started = startedSensor(path.value, {
      onBytes: (bytes) => {
        const { records, fault } = framer.take(bytes);
        for (const record of records) hear(record);
        if (fault !== undefined) end(fault.message);
      },
      onExit: (said) => end(said),
    });
    if (!started.ok) return lost(started.fault.message, delayMs);
    restarts++;
    const nowMs = clock.monotonicMs();
    running = { process: started.value, startedMs: nowMs, hello: undefined, lastBeatMs: nowMs };
  }

  function hear(record: Uint8Array): void {
    if (running === undefined) return;
    switch (record[2]) {
      case RECORD.hello: {
        const hello = helloOf(record);
        running.hello = hello;
        running.lastBeatMs = clock.monotonicMs();
        canary.began(running.lastBeatMs, partsOf(hello));
        parts.onBegan(hello);
        return;
      }
      case RECORD.beat:
        running.lastBeatMs = clock.monotonicMs();
        beat = beatOf(record);
        return;
      default:
        if (canary.isOurs(record)) return;
        parts.onRecord(record);
    }
  }

  function end(why: string): void {
    const ended = running;
    if (ended === undefined) return;
    running = undefined;
    ended.process.kill();
    if (clock.monotonicMs() - ended.startedMs >= STEADY_MS) delayMs = RESTART_MS_MIN;
    lost(why, delayMs);
  }

  /** @param againMs when it is tried again; undefined: never. */
  function lost(why: string, againMs: number | undefined): void {
    reason = why;
    beat = undefined;
    if (!wanted) return;
    parts.onEnded(why);
    if (againMs === undefined) return;
    retry ??= setTimeout(() => void begin().catch((thrown) => lost(messageOf(thrown), RESTART_MS_MAX)), againMs);
    delayMs = Math.min(RESTART_MS_MAX, delayMs * 3);
  }

  function tick(): void {
    if (running === undefined) return;
    const nowMs = clock.monotonicMs();
    if (nowMs - running.lastBeatMs > SILENCE_MS_MAX)
      return end(`it did not speak for ${SILENCE_MS_MAX / 1_000} seconds`);
    if (running.hello === undefined) return;
    const due = canary.due(nowMs);
    if (due !== undefined) running.process.write(parts.canaryFrame(due));
    const missed = canary.missedAt(nowMs);
    if (missed === 0) return;
    parts.onMissedCanary(missed);
    if (missed >= 2) end("its own canary was not seen twice in a row");
  }

  async function stop(): Promise<void> {
    wanted = false;
    clearTimeout(retry);
    const last = running;
    running = undefined;
    if (last === undefined) return;
    last.process.write(parts.stopFrame());
    await last.process.ended(1_000);
    last.process.kill();
  }

  function status(): SensorStatus {
    const state = stateOf(running);
    const why = running?.hello?.hooks.find(({ name }) => name === "bpf")?.answer ?? reason;
    return {
      state,
      ...(state === "kernel" ? {} : { reason: why }),
      ...(running === undefined ? {} : { pid: running.process.pid }),
      hooks: running?.hello?.hooks ?? [],
      ...(beat === undefined ? {} : { beat }),
      restarts: Math.max(0, restarts),
      canary: canary.counts(),
    };
  }
}

function stateOf(running: Running | undefined): SensorStatus["state"] {
  if (running === undefined) return "off";
  return running.hello?.step ?? "starting";
}

/** What of a canary each step can see: the connector hears of no connection, and files need fanotify. */
function partsOf({ step, hooks }: Hello): number {
  const canOpen = hooks.some(({ name, answer }) => name === FILE_HOOK && answer === "ok");
  return (step === "kernel" ? KERNEL_PARTS : CONNECTOR_PARTS) | (canOpen ? FILE_PART : 0);
}

/** Each minute the sensor must see its own exec and exit and, where it can, connection and file. */
function createCanary() {
  let dueMs = Number.POSITIVE_INFINITY;
  let sentMs: number | undefined;
  let nonce = 0n;
  let pid = 0;
  let seenParts = 0;
  let allParts = KERNEL_PARTS;
  let seen = 0;
  let missed = 0;
  let inARow = 0;
  let lastAtMs: number | undefined;
  return {
    began(nowMs: number, parts: number): void {
      allParts = parts;
      dueMs = nowMs + 1_000;
      sentMs = undefined;
      inARow = 0;
    },
    due(nowMs: number): bigint | undefined {
      if (nowMs < dueMs || sentMs !== undefined) return undefined;
      dueMs = nowMs + CANARY_EVERY_MS;
      sentMs = nowMs;
      pid = 0;
      seenParts = 0;
      nonce += 1n;
      return nonce;
    },
    /** The records of a canary are nobody's events. */
    isOurs(record: Uint8Array): boolean {
      const found = canarySeen(record, pid);
      if (found === undefined) return false;
      if (found.pid !== 0) pid = found.pid;
      seenParts |= found.part;
      if (seenParts === allParts && sentMs !== undefined) {
        sentMs = undefined;
        seen++;
        inARow = 0;
        lastAtMs = Date.now();
      }
      return true;
    },
    /** How many in a row were missed, told once for each. */
    missedAt(nowMs: number): number {
      if (sentMs === undefined || nowMs - sentMs < CANARY_WITHIN_MS) return 0;
      sentMs = undefined;
      dueMs = nowMs + 1_000;
      missed++;
      return ++inARow;
    },
    counts: () => ({ seen, missed, ...(lastAtMs === undefined ? {} : { lastAtMs }) }),
  };
}

/** Said by the sensor, executed, connected, ended. */
const KERNEL_PARTS = 15;
const CONNECTOR_PARTS = 11;
const FILE_PART = 16;
const FILE_HOOK = "watched_files";
