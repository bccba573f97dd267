/**
 * The thread that watches files: its entry, wiring only. It writes files.db and nothing else, and acts on nothing.
 * Started by files_worker_spawn.ts; speaks the messages of sources/files/protocol.ts.
 */
import { systemClock } from "../core/clock.ts";
import { judgeDigest } from "../core/packages.ts";
import { messageOf } from "../core/result.ts";
import { releaseOwnCode } from "../host/memory.ts";
import { packageManagerBusy } from "../host/packages/busy.ts";
import { packageReaders } from "../host/packages/readers.ts";
import { takeBackgroundPriority } from "../host/priority.ts";
import type { Packages } from "../sources/files/packages.ts";
import { type FromWorker, isToWorker, type ToWorker } from "../sources/files/protocol.ts";
import { createWatch, type Watch } from "../sources/files/watch.ts";
import { type OpenBaseline, openBaseline } from "../store/baseline.ts";
import { worldFault } from "../store/database.ts";
import { createPackageIndex } from "../store/package_index.ts";

declare const self: Worker;

const IDENTITIES_WAITING_MAX = 1000;

let watch: Watch | undefined;
let close: (() => void) | undefined;
/** One at a time: they share a buffer. */
let identities: Promise<void> = Promise.resolve();
let identitiesWaiting = 0;
let isStopping = false;

self.onmessage = (event: MessageEvent) => {
  if (isToWorker(event.data)) hear(event.data);
};

function hear(message: ToWorker): void {
  switch (message.kind) {
    case "open":
      return open(message.databasePath, message.nowMs);
    case "round":
      // The pages of our own file that a round touches, on top of those of a scan, are most of what it takes.
      void watch?.round(message.settings, message.verify).catch(fail).finally(releaseOwnCode);
      return;
    case "identify":
      if (identitiesWaiting >= IDENTITIES_WAITING_MAX)
        return say({ ...message, kind: "identified", identity: undefined });
      identitiesWaiting++;
      identities = identities
        .then(() => (isStopping ? undefined : watch?.identify(message.wanted)))
        .catch(fail)
        .finally(() => identitiesWaiting--);
      return;
    case "stop":
      void stop();
      return;
  }
}

function open(databasePath: string, nowMs: number): void {
  takeBackgroundPriority();
  const opened = openBaseline(databasePath, nowMs, (fault) => say({ kind: "fault", part: "filesystem", fault }));
  for (const fault of opened.faults) say({ kind: "fault", part: "filesystem", fault });
  const packages = packagesIn(opened.database);
  const { baseline, persistent, persist } = opened;
  watch = createWatch({ clock: systemClock, baseline, persistent, persist, packages, databasePath, say });
  close = () => {
    packages.close();
    opened.baseline.close();
  };
}

function packagesIn(database: OpenBaseline["database"]): Packages & { close(): void } {
  try {
    const index = createPackageIndex(database, packageReaders());
    return { ...index, judge: judgeDigest, busy: () => packageManagerBusy() };
  } catch (thrown) {
    say({ kind: "fault", part: "packages", fault: worldFault("files.db", thrown) });
    return { ...NO_PACKAGES, busy: () => packageManagerBusy(), close() {} };
  }
}

/** Without the tables of packages no file counts as packaged. */
const NO_PACKAGES: Packages = {
  refresh: async () => ({ faults: [] }),
  lookup: () => undefined,
  judge: () => "unknown",
  busy: () => false,
};

async function stop(): Promise<void> {
  isStopping = true;
  await watch?.stop().catch(fail);
  // Whoever is not answered asks the next thread; the answer under way needs the database.
  await identities;
  close?.();
  say({ kind: "stopped" });
}

/** Our own bug: the daemon hears of it and starts a new thread. */
function fail(thrown: unknown): void {
  say({ kind: "round-ended", wasHeavy: false });
  setTimeout(() => {
    throw new Error(messageOf(thrown), { cause: thrown });
  });
}

function say(message: FromWorker): void {
  self.postMessage(message);
}
