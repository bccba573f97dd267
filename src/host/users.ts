// User names by uid from /etc/passwd.
// Trusts root's file; uids of other sources (LDAP, containers) stay numbers. Never asks the network.
// Costs one stat a lookup burst; the file is parsed when it changed.
import { AT } from "./libc.ts";
import { decodeText, readBytes, statFollowing } from "./procfs.ts";

const FILE_BYTES_MAX = 256 * 1024;
const USERS_MAX = 10_000;
const CHECK_EVERY_MS = 1000;

export interface Users {
  /** Undefined for a uid that the file does not name. */
  nameOf(uid: number): string | undefined;
  uidOf(name: string): number | undefined;
}

export function createUsers(path = "/etc/passwd", monotonicMs: () => number = () => performance.now()): Users {
  let names = new Map<number, string>();
  let uids = new Map<string, number>();
  let stamp = "";
  let checkedAtMs = Number.NEGATIVE_INFINITY;
  return {
    nameOf(uid) {
      refresh();
      return names.get(uid);
    },
    uidOf(name) {
      refresh();
      return uids.get(name);
    },
  };

  function refresh(): void {
    const nowMs = monotonicMs();
    if (nowMs - checkedAtMs < CHECK_EVERY_MS) return;
    checkedAtMs = nowMs;
    const stat = statFollowing(AT.currentDirectory, path);
    if (stat === undefined) return; // in the middle of being replaced: the last names stand
    const current = `${stat.device}:${stat.inode}:${stat.modifiedSeconds}:${stat.modifiedNanoseconds}:${stat.sizeBytes}`;
    if (current === stamp) return;
    const bytes = readBytes(AT.currentDirectory, path, FILE_BYTES_MAX);
    if (typeof bytes === "number") return;
    stamp = current;
    ({ names, uids } = parsePasswd(decodeText(bytes)));
  }
}

/** The first line of a uid or name counts, as for getpwuid(3). */
export function parsePasswd(text: string): { names: Map<number, string>; uids: Map<string, number> } {
  const names = new Map<number, string>();
  const uids = new Map<string, number>();
  for (const line of text.split("\n")) {
    const [name = "", , uidText = ""] = line.split(":", 4);
    const uid = /^\d{1,10}$/.test(uidText) ? Number(uidText) : -1;
    if (name === "" || name.startsWith("#") || uid < 0 || names.size >= USERS_MAX) continue;
    if (!names.has(uid)) names.set(uid, name);
    if (!uids.has(name)) uids.set(name, uid);
  }
  return { names, uids };
}
