// Keeps the lists of INDICATORS read: looks at most every 10 s whether one changed and then reads all of them anew.
// Trusts root's files; a list that others may write is read and told. The lines are understood elsewhere (`sink`).
// Costs one stat a list and look; reading 200,000 lines about 0.5 s of the thread, 64 KiB at a time.
import type { Fault } from "../core/result.ts";
import { readLines, stampOf } from "./line_files.ts";

const LOOK_EVERY_MS = 10_000;
const FILE_BYTES_MAX = 64 * 1024 * 1024;

/** Takes the lines of one list after the other and makes something of them. */
export interface ListSink<T> {
  begin(file: string): void;
  line(text: string): void;
  finish(): T;
}

export interface IndicatorFiles<T> {
  current(): T;
  /** Resolves to true when the lists were read anew, to false when nothing changed, it is not time, or one is reading. */
  refresh(): Promise<boolean>;
  /** What is wrong with the lists now: missing, unreadable, too long, writable by others. */
  faults(): readonly Fault[];
}

export interface IndicatorFilesOptions<T> {
  /** INDICATORS.files as it stands now. */
  readonly files: () => readonly string[];
  /** Asked before anything was read, and before each reading. */
  readonly sink: () => ListSink<T>;
  readonly monotonicMs?: () => number;
}

export function createIndicatorFiles<T>(options: IndicatorFilesOptions<T>): IndicatorFiles<T> {
  const monotonicMs = options.monotonicMs ?? (() => performance.now());
  let held = options.sink().finish();
  let faults: readonly Fault[] = [];
  let stamps = "";
  let lookedAtMs = Number.NEGATIVE_INFINITY;
  let named = "";
  let isReading = false;
  return { current: () => held, refresh, faults: () => faults };

  async function refresh(): Promise<boolean> {
    const files = [...new Set(options.files())];
    // A changed configuration is followed at once.
    const isDue = monotonicMs() - lookedAtMs >= LOOK_EVERY_MS || files.join("\n") !== named;
    if (isReading || !isDue) return false;
    isReading = true;
    try {
      lookedAtMs = monotonicMs();
      named = files.join("\n");
      const now = await stampsOf(files);
      if (now === stamps) return false;
      await readAll(files);
      stamps = now;
      return true;
    } finally {
      isReading = false;
    }
  }

  async function readAll(files: readonly string[]): Promise<void> {
    const sink = options.sink();
    const found: Fault[] = [];
    for (const file of files) {
      sink.begin(file);
      const read = await readLines(file, FILE_BYTES_MAX, (line) => sink.line(line));
      const remedy = "correct INDICATORS.files or put the list there; the other lists count";
      if (!read.ok) found.push({ ...read.fault, remedy });
      else if ((read.value.mode & 0o022) !== 0 || read.value.ownerUid !== 0)
        found.push({
          kind: "invalid",
          message: `others than root can change ${file}`,
          remedy: `sudo chown root ${file} && sudo chmod go-w ${file}`,
        });
    }
    held = sink.finish();
    faults = found;
  }
}

async function stampsOf(files: readonly string[]): Promise<string> {
  const stamps = await Promise.all(files.map(async (file) => `${file} ${(await stampOf(file)) ?? "missing"}`));
  return stamps.join("\n");
}
