/** Where a process that holds a connection comes from: the fact that tells a relay by design from an attacker's. */
import { isLoginServiceName } from "../../core/login_services.ts";
import { baseName, isRootOnly, isSystemPath } from "../../core/place.ts";
import type { Process } from "../../core/process.ts";
import type { HostView } from "../../core/view.ts";

/** From the most suspicious to the least. */
export const ORIGINS = [
  "inline",
  "relay-tool",
  "memfd",
  "deleted",
  "temporary-file",
  "socket-on-stdio",
  "unknown-listener",
  "unverified-file",
  "verified-file",
  "unit-main",
  "pid1",
  "login-service",
] as const;
export type Origin = (typeof ORIGINS)[number];

export function originOf(view: HostView, process: Process): Origin {
  if (process.ref.pid === 1) return "pid1";
  const executable = process.executable;
  if (executable === undefined) return "unverified-file";
  if (isLoginService(process)) return "login-service";
  const program = view.program(process);
  const script = view.scriptOf(process);
  if (program.interpreter && (script.kind === "inline" || script.kind === "stdin")) return "inline";
  if (program.relayTool && script.kind !== "file") return "relay-tool";
  if (executable.memfd) return "memfd";
  if (program.temporary || (script.kind === "file" && script.temporary)) return "temporary-file";
  if (executable.deleted && !isSystemPath(executable.path)) return "deleted";
  if (isServedByUnit(view, process)) return "unit-main";
  if (program.verified && (script.kind !== "file" || script.verified)) return "verified-file";
  return "unverified-file";
}

/**
 * The unit's main process itself, or one below it that is as much the unit's own: verified, or from the directory that
 * the main process comes from. What a daemon was made to start from elsewhere (a web shell, a user's cron job) is not.
 */
export function isServedByUnit(view: HostView, process: Process): boolean {
  const unit = view.unit(process);
  // A login's own user manager is no service that anybody verified.
  if (unit === undefined || unit.mainPid <= 1 || unit.name.startsWith("user@")) return false;
  if (process.ref.pid === unit.mainPid) return true;
  const main = view.ancestors(process).find((ancestor) => ancestor.ref.pid === unit.mainPid);
  if (main === undefined) return false;
  const directory = directoryOf(placeOf(view, main));
  return isVerified(view, process) || (directory !== "" && placeOf(view, process).startsWith(directory));
}

function isVerified(view: HostView, process: Process): boolean {
  const script = view.scriptOf(process);
  return view.program(process).verified && (script.kind === "none" || (script.kind === "file" && script.verified));
}

/** What a process is made of: its script, or its executable; empty where its code has no place of its own. */
function placeOf(view: HostView, process: Process): string {
  const script = view.scriptOf(process);
  if (script.kind === "file") return script.path;
  return script.kind === "none" ? (process.executable?.path ?? "") : "";
}

function directoryOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/") + 1);
}

/** Origins whose processes nobody vouches for: what they hold is followed on every descriptor. */
export const DUBIOUS: ReadonlySet<Origin> = new Set<Origin>([
  "inline",
  "relay-tool",
  "memfd",
  "deleted",
  "temporary-file",
]);

export function hardest(origins: readonly Origin[]): Origin | undefined {
  return ORIGINS.find((origin) => origins.includes(origin));
}

export function softest(origins: readonly Origin[]): Origin | undefined {
  return ORIGINS.findLast((origin) => origins.includes(origin));
}

function isLoginService(process: Process): boolean {
  const executable = process.executable;
  if (executable === undefined || !isRootOnly(executable)) return false;
  return isSystemPath(executable.path) && isLoginServiceName(baseName(executable.path));
}
