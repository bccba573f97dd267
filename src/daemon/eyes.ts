/**
 * Every source of events, made and joined: the scanners that the supervisor calls, and those that speak when they like
 * and leave what they say in one inbox. Starts and stops what runs beside the daemon's own thread.
 */
import { readFileSync } from "node:fs";
import { dirname } from "node:path";
import type { Config } from "../config/schema.ts";
import type { Clock } from "../core/clock.ts";
import type { FilesStatus } from "../core/files.ts";
import { createInbox } from "../core/inbox.ts";
import type { EventDraft } from "../core/nouns.ts";
import type { Paths } from "../core/paths.ts";
import type { Executable } from "../core/process.ts";
import type { Session } from "../core/session.ts";
import type { ProcessesSeen, SocketsSeen } from "../core/sweep.ts";
import type { FileIdentity } from "../core/view.ts";
import type { Users } from "../host/users.ts";
import { createAuthentications } from "../sources/authentications.ts";
import type { FilesSettings } from "../sources/files/protocol.ts";
import { createFilesystemScanner } from "../sources/filesystem.ts";
import { createHostScanner } from "../sources/host.ts";
import { createJournalSource } from "../sources/journal.ts";
import { createNetworkScanner } from "../sources/network.ts";
import { createProcessScanner } from "../sources/processes.ts";
import type { Scanner } from "../sources/scanner.ts";
import { createSessionScanner } from "../sources/sessions.ts";
import { openSessionMemory } from "../store/known_sessions.ts";
import { spawnFilesWorker } from "./files_worker_spawn.ts";

/** One sweep judges at most so many; the rest waits for the next, a second later. */
const WAITING_TAKEN_MAX = 2_000;

export interface EyesParts {
  readonly clock: Clock;
  readonly paths: Paths;
  readonly users: Users;
  readonly config: () => Config;
  readonly onFault: (part: string, message: string, remedy: string) => void;
  /** A milestone worth a line: the first reading of all files is done. */
  readonly onNotice: (message: string) => void;
}

export interface Eyes {
  readonly processes: Scanner<void, ProcessesSeen>;
  readonly network: Scanner<ProcessesSeen["processes"], SocketsSeen>;
  readonly others: readonly Scanner<void, readonly EventDraft[]>[];
  takeWaiting(): readonly EventDraft[];
  /** Of the file a process runs; absent while it is being read, and where files are not watched. */
  identify(executable: Executable): FileIdentity | undefined;
  sessions(): readonly Session[];
  files(): FilesStatus;
  scanFiles(): void;
  verifyFiles(): void;
  start(): void;
  stop(): Promise<void>;
}

export function createEyes(parts: EyesParts): Eyes {
  const { clock, paths, users, config, onFault } = parts;
  const inbox = createInbox();
  const authentications = createAuthentications();
  let lostTold = 0;
  const sessions = createSessionScanner({
    clock,
    users,
    bootId: bootId(),
    authentications,
    memory: openSessionMemory(paths.sessionsFile),
  });
  const files = createFilesystemScanner({
    clock,
    inbox,
    settings: () => filesSettings(config(), paths),
    databasePath: paths.filesDatabaseFile,
    onFault,
    onNotice: parts.onNotice,
    spawnWorker: spawnFilesWorker,
  });
  const journal = createJournalSource({
    clock,
    inbox,
    authentications,
    onFault: (message, remedy) => onFault("journal", message, remedy),
  });
  const isWatching = () => config().SCANNERS.filesystem;
  return {
    processes: createProcessScanner(clock, process.pid),
    network: createNetworkScanner(),
    others: [files.scanner, sessions, createHostScanner({ clock, thresholds: () => config().HOST_THRESHOLDS })],
    takeWaiting,
    identify: (executable) => (isWatching() ? files.identify(executable) : undefined),
    sessions: sessions.current,
    files: () => (isWatching() ? files.status() : { ...files.status(), state: "off" }),
    scanFiles: () => void files.scanner.scan(),
    verifyFiles: files.verifyNow,
    start: journal.start,
    stop: async () => {
      await Promise.all([journal.stop(), files.stop()]);
    },
  };

  function takeWaiting(): readonly EventDraft[] {
    if (!isWatching()) files.switchOff();
    const lost = inbox.lost - lostTold;
    if (lost > 0) {
      lostTold = inbox.lost;
      onFault(
        "inbox",
        `${lost} events of files, units or logins came faster than they could be judged and are lost`,
        "narrow PROTECTED_DIRECTORIES, or see `algo-monitor files status` for what changes so much",
      );
    }
    return inbox.take(WAITING_TAKEN_MAX);
  }
}

function filesSettings(config: Config, paths: Paths): FilesSettings {
  const { hash_mb_max, hash_mb_per_second, verify_hours, other_filesystems, files_max } = config.FILES;
  return {
    // Whatever the site's list says: who changes our orders or our executable must be told.
    directories: [...config.PROTECTED_DIRECTORIES, `${paths.home}/`, `${dirname(process.execPath)}/`],
    trustedDirectories: config.TRUSTED_DIRECTORIES,
    // What the daemon itself writes, and the copies an install makes and keeps. Configuration, rules and executable are
    // watched like everything else.
    excluded: [
      `${paths.home}-stage.*`,
      `${paths.home}/.before.*`,
      `${paths.home}/previous`,
      paths.logsDirectory,
      paths.spoolDirectory,
      paths.runDirectory,
      `${paths.sessionsFile}*`,
      `${paths.blocksFile}*`,
      paths.lastGoodConfigFile,
      `${paths.databaseFile}*`,
      `${paths.filesDatabaseFile}*`,
    ],
    hashMbMax: hash_mb_max,
    hashMbPerSecond: hash_mb_per_second,
    verifyHours: verify_hours,
    otherFilesystems: other_filesystems,
    filesMax: files_max,
  };
}

function bootId(): string {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim();
  } catch {
    return "";
  }
}
