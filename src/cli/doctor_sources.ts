/** Checks of `doctor` about what the scanners of files and logins, and the notices, need from this host. */
import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  statSync,
} from "node:fs";
import { join } from "node:path";
import { parseConfig } from "../config/load.ts";
import type { Config } from "../config/schema.ts";
import { printable } from "../core/printable.ts";
import type { Check, Finding } from "./doctor.ts";
import { bytes, plural } from "./text.ts";
import type { Cli } from "./world.ts";

export const SOURCE_CHECKS: readonly Check[] = [
  { name: "journal", purpose: "how a user logged in, and which units started or failed", run: () => journalReader() },
  { name: "logins", purpose: "seeing who logs in", run: () => logins() },
  { name: "package database", purpose: "telling a packaged file from a foreign one", run: () => packageDatabase() },
  { name: "protected directories", purpose: "seeing files change", run: protectedDirectories },
  { name: "files database", purpose: "seeing what changed while the daemon was off", run: filesDatabase },
  { name: "desktop", purpose: "telling who sits at this computer", run: desktop },
];

const PROGRAM_DIRECTORIES = ["usr/bin", "bin", "usr/local/bin"];
const LISTED_MAX = 5;
const SESSIONS_MAX = 1_000;
const SQLITE_MAGIC = "SQLite format 3\0";

function hasProgram(name: string, root: string): boolean {
  return PROGRAM_DIRECTORIES.some((directory) => existsSync(join(root, directory, name)));
}

export function journalReader(root = "/"): Finding {
  if (hasProgram("journalctl", root)) return { state: "works", detail: "journalctl is there" };
  return {
    state: "degraded",
    detail: "there is no journalctl",
    remedy: "units and the way of a login are not told; it comes with systemd",
  };
}

export function logins(root = "/"): Finding {
  const sources = [
    existsSync(join(root, "run/systemd/sessions")) ? "systemd-logind" : "",
    existsSync(join(root, "run/utmp")) || existsSync(join(root, "var/run/utmp")) ? "utmp" : "",
  ].filter((name) => name !== "");
  if (sources.length > 0)
    return {
      state: "works",
      detail: `${sources.join(" and ")} say${sources.length === 1 ? "s" : ""} who is logged in`,
    };
  return {
    state: "degraded",
    detail: "there is neither systemd-logind nor utmp",
    remedy: "logins are not seen; start systemd-logind (package libpam-systemd)",
  };
}

export function packageDatabase(root = "/"): Finding {
  if (existsSync(join(root, "var/lib/dpkg/status"))) {
    accessSync(join(root, "var/lib/dpkg/status"), constants.R_OK);
    return { state: "works", detail: "dpkg's is readable" };
  }
  const rpm = ["var/lib/rpm", "usr/lib/sysimage/rpm"].find((path) => existsSync(join(root, path)));
  if (rpm !== undefined && hasProgram("rpm", root))
    return { state: "works", detail: "rpm's is there and rpm can read it" };
  return {
    state: "degraded",
    detail: rpm === undefined ? "neither dpkg's nor rpm's is here" : "rpm's is here, but no rpm to read it",
    remedy: "files of packages look like any other: an upgrade is told as changes",
  };
}

function configOf(cli: Cli): Config {
  const isThere = statSync(cli.paths.configFile, { throwIfNoEntry: false }) !== undefined;
  return parseConfig(isThere ? readFileSync(cli.paths.configFile) : "{}").config;
}

function protectedDirectories(cli: Cli): Finding {
  return rootsFinding(configOf(cli).PROTECTED_DIRECTORIES);
}

/** Of a glob the part before its first wildcard is looked for. A root that is not there is normal. */
export function rootsFinding(roots: readonly string[]): Finding {
  if (roots.length === 0)
    return {
      state: "degraded",
      detail: "PROTECTED_DIRECTORIES names nothing",
      remedy: "no file is watched: name directories, or remove the key for the default list",
    };
  const missing = roots.filter((root) => !existsSync(fixedPart(root)));
  if (missing.length === roots.length)
    return {
      state: "degraded",
      detail: "none of PROTECTED_DIRECTORIES exists here",
      remedy: "no file is watched: sudo algo-monitor config explain PROTECTED_DIRECTORIES",
    };
  if (missing.length === 0)
    return { state: "works", detail: `all ${plural(roots.length, "entry").replace("entrys", "entries")} exist` };
  const listed = missing.slice(0, LISTED_MAX).map((root) => printable(root, 200));
  const more = missing.length > LISTED_MAX ? ` and ${missing.length - LISTED_MAX} more` : "";
  return {
    state: "works",
    detail: `${missing.length} of ${roots.length} do not exist here, which is normal: ${listed.join(", ")}${more}`,
  };
}

function fixedPart(pattern: string): string {
  const wildcard = pattern.search(/[*?[{]/);
  return wildcard === -1 ? pattern : pattern.slice(0, pattern.lastIndexOf("/", wildcard) + 1);
}

function filesDatabase(cli: Cli): Finding {
  return filesDatabaseAt(`${cli.paths.home}/files.db`);
}

export function filesDatabaseAt(path: string): Finding {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined)
    return { state: "works", detail: "there is none yet: the first reading of all files makes it" };
  const head = Buffer.alloc(SQLITE_MAGIC.length);
  const descriptor = openSync(path, constants.O_RDONLY);
  try {
    readSync(descriptor, head, 0, head.length, 0);
  } finally {
    closeSync(descriptor);
  }
  if (head.toString("latin1") === SQLITE_MAGIC) return { state: "works", detail: `${path}, ${bytes(stat.size)}` };
  return {
    state: "degraded",
    detail: `${path} is no database`,
    remedy: "the daemon sets it aside and begins anew at its next start: sudo systemctl restart algo-monitor",
  };
}

function desktop(cli: Cli): Finding {
  if (!configOf(cli).NOTIFICATIONS.desktop.enabled) return { state: "works", detail: "switched off in NOTIFICATIONS" };
  return desktopFinding();
}

export function desktopFinding(root = "/"): Finding {
  if (!hasGraphicalSession(join(root, "run/systemd/sessions")))
    return { state: "works", detail: "nobody has a graphical session: it is off by itself" };
  if (hasProgram("notify-send", root)) return { state: "works", detail: "notify-send is there" };
  return {
    state: "degraded",
    detail: "somebody has a graphical session and there is no notify-send",
    remedy: "sudo apt-get install libnotify-bin, or NOTIFICATIONS.desktop.enabled = false",
  };
}

function hasGraphicalSession(folder: string): boolean {
  if (!existsSync(folder)) return false;
  return readdirSync(folder)
    .filter((name) => /^[A-Za-z0-9]+$/.test(name))
    .slice(0, SESSIONS_MAX)
    .some((name) => {
      const text = readFileSync(join(folder, name), "utf8");
      return /^TYPE=(x11|wayland)$/m.test(text) && /^CLASS=user/m.test(text);
    });
}
