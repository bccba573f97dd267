/** Whether an executable may be trusted by its path: only root can change the file or put another one in its place. */
import { lstatSync, realpathSync, statSync } from "node:fs";
import { basename, dirname } from "node:path";
import { messageOf, ok, type Result } from "../core/result.ts";
import { refuse } from "./client.ts";
import { type CommandFault, EXIT } from "./exit.ts";

export interface TrustedPath {
  /** With every link followed: what a process of it shows as its executable. */
  readonly path: string;
  readonly notes: readonly string[];
}

const SHELLS_AND_INTERPRETERS =
  /^(ba|da|z|k|a|c|tc|fi|mk|pdk)?sh$|^busybox$|^(python|perl|ruby|php|lua|luajit|node|nodejs|bun|deno|awk|gawk|mawk|tclsh|expect|java)[\d.]*$|^(nc|ncat|netcat|nc\.(openbsd|traditional)|socat|telnet|openssl)$/;
const OTHERS_WRITE = 0o022;
const ANY_EXECUTE = 0o111;

/** `ownerUid` is who must own everything: root, except in tests. */
export function checkTrustedPath(given: string, ownerUid = 0): Result<TrustedPath, CommandFault> {
  try {
    const path = realpathSync(given);
    const file = statSync(path);
    if (!file.isFile()) return refuse("invalid", EXIT.usage, `${path} is no file`);
    if ((file.mode & ANY_EXECUTE) === 0)
      return refuse(
        "invalid",
        EXIT.usage,
        `${path} is not executable`,
        "name the program itself; for a script trust the alert it raised",
      );
    if (SHELLS_AND_INTERPRETERS.test(basename(path)))
      return refuse(
        "invalid",
        EXIT.usage,
        `${path} does whatever it is told: trusting it would exempt every attack that uses it`,
        "trust the alert instead: sudo algo-monitor trust ID",
      );
    const weak = weakPlace(path, ownerUid);
    if (weak !== undefined)
      return refuse(
        "invalid",
        EXIT.usage,
        weak,
        "give it to root and take the write permission from others, or trust the alert instead",
      );
    const linked = lstatSync(given).isSymbolicLink() || path !== given;
    return ok({
      path,
      notes: linked ? [`${given} leads to ${path}: that path is added, because it is what a process shows`] : [],
    });
  } catch (thrown) {
    const missing =
      thrown instanceof Error && "code" in thrown && (thrown.code === "ENOENT" || thrown.code === "ENOTDIR");
    return missing
      ? refuse("gone", EXIT.notFound, `${given} does not exist`)
      : refuse("io", EXIT.failed, `${given} cannot be looked at: ${messageOf(thrown)}`);
  }
}

/** The file and every folder above it; a sticky folder lets others add files but not replace this one. */
function weakPlace(path: string, ownerUid: number): string | undefined {
  for (let place = path; ; place = dirname(place)) {
    const { uid, mode } = statSync(place);
    if (uid !== ownerUid && uid !== 0) return `${place} belongs to uid ${uid}, who can put another program there`;
    const sticky = place !== path && (mode & 0o1000) !== 0;
    if ((mode & OTHERS_WRITE) !== 0 && !sticky)
      return `${place} can be changed by others than root (mode ${(mode & 0o7777).toString(8)})`;
    if (place === dirname(place)) return undefined;
  }
}
