/** What operators look at without changing anything: the newest sweep, sessions, the watch over files. */
import type { Handlers } from "../core/control.ts";
import type { FilesStarted, ProcessReport } from "../core/control_views.ts";
import type { FilesStatus } from "../core/files.ts";
import { fail, ok, type Result } from "../core/result.ts";
import type { Session } from "../core/session.ts";
import type { LastSweep } from "./pipeline.ts";
import { connectionsReport, type Look, noProcess, processesReport, processReport } from "./views.ts";

export interface ViewParts {
  readonly lastSweep: () => LastSweep | undefined;
  readonly sessions: () => readonly Session[];
  readonly files: () => FilesStatus;
  /** Begins a round over the files where none is under way. */
  readonly scanFiles: () => void;
  /** Begins to read every file again. */
  readonly verifyFiles: () => void;
  readonly nowMs: () => number;
}

type ViewMethod = "processes" | "process" | "connections" | "sessions" | "files" | "scan_files" | "verify_files";

/** A file's content is read beside the sweep: so long its digest is waited for. */
const IDENTITY_WAIT_MS = 2_000;
const IDENTITY_POLL_MS = 100;

export function viewHandlers(parts: ViewParts): Pick<Handlers, ViewMethod> {
  return {
    processes: async (params) => looked((look) => ok(processesReport(look, params))),
    process: async ({ pid }) => processInFull(pid),
    connections: async (params) =>
      looked((look) => {
        if (params.pid !== undefined && !look.view.processes.has(params.pid)) return noProcess(params.pid);
        return ok(connectionsReport(look, params));
      }),
    sessions: async () => ok({ atMs: parts.nowMs(), readBy: "daemon", sessions: bySince(parts.sessions()) }),
    files: async () => ok(parts.files()),
    scan_files: async () => {
      const status = parts.files();
      const reason =
        status.progress === undefined ? whyNot(status) : (whyNot(status) ?? "a round is under way already");
      return ok(begun(reason, parts.scanFiles));
    },
    verify_files: async () => ok(begun(whyNot(parts.files()), parts.verifyFiles)),
  };

  function looked<T>(report: (look: Look) => Result<T>): Result<T> {
    const last = parts.lastSweep();
    if (last === undefined) return fail("timeout", "no sweep has succeeded yet", "look at `algo-monitor status`");
    return report({ ...last, sweptBy: "daemon" });
  }

  async function processInFull(pid: number): Promise<Result<ProcessReport>> {
    for (let waitedMs = 0; ; waitedMs += IDENTITY_POLL_MS) {
      const report = looked((look) => processReport(look, pid));
      const isWhole = !report.ok || report.value.identity !== undefined || report.value.file === undefined;
      if (isWhole || waitedMs >= IDENTITY_WAIT_MS) return report;
      await Bun.sleep(IDENTITY_POLL_MS);
    }
  }
}

export function bySince(sessions: readonly Session[]): readonly Session[] {
  return sessions.toSorted((left, right) => left.startedAtMs - right.startedAtMs);
}

function begun(reason: string | undefined, start: () => void): FilesStarted {
  if (reason !== undefined) return { started: false, reason };
  start();
  return { started: true, reason: "" };
}

function whyNot({ state }: FilesStatus): string | undefined {
  switch (state) {
    case "off":
      return "files are not watched: SCANNERS.filesystem is off, or the watch could not start";
    case "starting":
    case "baseline":
      return "the first reading of all files is still being made";
    case "watching":
      return undefined;
  }
}
