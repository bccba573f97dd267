// Ending the process group of a program that we started ourselves, with all it started in that group.
// Trusts /proc/PID/stat: the pid must be our own child and lead a group. A child's pid is not given to another process
// before its parent has waited for it, so what is read here is still true when the signal leaves.
import { fail, ok, type Result } from "../core/result.ts";
import { AT, errnoText, killGroup } from "./libc.ts";
import { parseStat } from "./process_files.ts";
import { readRecord } from "./procfs.ts";

const SIGKILL = 9;

export function killOwnGroup(leaderPid: number): Result<void> {
  const bytes = readRecord(AT.currentDirectory, `/proc/${leaderPid}/stat`);
  const stat = typeof bytes === "number" ? undefined : parseStat(bytes);
  if (stat === undefined) return fail("gone", `process ${leaderPid} has ended`);
  if (stat.parentPid !== process.pid || stat.processGroupId !== leaderPid)
    return fail("denied", `process ${leaderPid} is no child of ours that leads a group; it is not signalled`);
  const sent = killGroup(leaderPid, SIGKILL);
  return sent < 0
    ? fail("io", `the group of process ${leaderPid} could not be ended: ${errnoText(sent)}`)
    : ok(undefined);
}
