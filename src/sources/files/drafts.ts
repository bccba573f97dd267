/** Changes of files as events: facts by ECS name, no judgement. Pure but for the names of users. */
import type { EventDraft, FieldValue } from "../../core/nouns.ts";
import { baseName } from "../../core/place.ts";
import { FILE_TYPE } from "../../host/procfs.ts";
import { isRegular } from "./compare.ts";
import type { FileChange, FileFacts } from "./protocol.ts";

/** Where packages and administrators install programs and what they load. Links are resolved: /bin stands as /usr/bin. */
const SYSTEM_DIRECTORY = /^\/(usr\/)?(s?bin|lib|lib32|lib64|libx32|libexec)\/|^\/usr\/local\/s?bin\//;
/** More changes than this in one directory and round are one alert. */
const FOLD_OVER = 20;
const GLOB = /[*?[\]{}]/;
const SETUID = 0o4000;
const SETGID = 0o2000;
const STICKY = 0o1000;

const TYPES: ReadonlyMap<number, string> = new Map([
  [FILE_TYPE.regular, "file"],
  [FILE_TYPE.directory, "dir"],
  [FILE_TYPE.link, "symlink"],
  [FILE_TYPE.fifo, "fifo"],
  [FILE_TYPE.socket, "socket"],
  [FILE_TYPE.character, "char_device"],
  [0o060000, "block_device"],
]);

export interface DraftContext {
  readonly userName: (uid: number) => string;
  readonly isTrustedDirectory: (path: string) => boolean;
}

export function draftOf(change: FileChange, context: DraftContext): EventDraft {
  const { path, now, before, changes } = change;
  const directory = path.slice(0, Math.max(1, path.lastIndexOf("/")));
  const name = baseName(path);
  const extension = /^.+\.([^.]{1,16})$/.exec(name)?.[1];
  const current = now ?? before;
  const fields: Record<string, FieldValue> = {
    "file.path": path,
    "file.directory": directory,
    "file.name": name,
    "file.changes": [...changes],
    "file.log": change.log,
    "file.system_directory": SYSTEM_DIRECTORY.test(path),
    "file.trusted_directory": context.isTrustedDirectory(path),
    "file.package.state": change.package.state,
    "file.changes_in_directory": change.inDirectory,
    "file.fold": change.inDirectory > FOLD_OVER ? `${directory}/` : path,
  };
  if (extension !== undefined) fields["file.extension"] = extension;
  if (change.package.name !== undefined) fields["file.package.name"] = change.package.name;
  if (current !== undefined) addFacts(fields, current, context);
  if (now !== undefined) addAbilities(fields, now, before);
  if (now !== undefined && before !== undefined) addPrevious(fields, before, context);
  return { action: actionOf(change), logsource: { category: categoryOf(change), product: "linux" }, fields };
}

/** Whether a path lies below one of the directories; a glob stands for one component. */
export function directoryMatcher(patterns: readonly string[]): (path: string) => boolean {
  const matchers = patterns.map((pattern) => {
    const directory = pattern.replace(/\/+(\*\*\/*)?$/, "");
    if (!GLOB.test(directory)) return (path: string) => path.startsWith(`${directory}/`);
    const glob = new Bun.Glob(`${directory}/**`);
    return (path: string) => glob.match(path);
  });
  return (path) => matchers.some((matches) => matches(path));
}

function addFacts(fields: Record<string, FieldValue>, facts: FileFacts, context: DraftContext): void {
  fields["file.type"] = TYPES.get(facts.mode & FILE_TYPE.mask) ?? "unknown";
  fields["file.size"] = facts.sizeBytes;
  fields["file.mode"] = octal(facts.mode);
  fields["file.uid"] = facts.uid;
  fields["file.owner"] = context.userName(facts.uid);
  fields["file.gid"] = facts.gid;
  fields["file.inode"] = String(facts.inode);
  fields["file.mtime"] = Math.floor(facts.modifiedUs / 1000);
  fields["file.ctime"] = Math.floor(facts.changedUs / 1000);
  if (facts.target !== "") fields["file.target_path"] = facts.target;
  if (facts.sha256 !== "") fields["file.hash.sha256"] = facts.sha256;
}

function addAbilities(fields: Record<string, FieldValue>, now: FileFacts, before: FileFacts | undefined): void {
  fields["file.executable"] = isExecutable(now.mode);
  fields["file.setuid"] = isSetuid(now.mode);
  fields["file.setuid_added"] = isSetuid(now.mode) && before !== undefined && !isSetuid(before.mode);
  fields["file.executable_added"] = isExecutable(now.mode) && before !== undefined && !isExecutable(before.mode);
  fields["file.writable_by_others"] = isWritableByOthers(now.mode);
}

function addPrevious(fields: Record<string, FieldValue>, before: FileFacts, context: DraftContext): void {
  if (before.sha256 !== "") fields["file.previous.hash.sha256"] = before.sha256;
  fields["file.previous.mode"] = octal(before.mode);
  fields["file.previous.owner"] = context.userName(before.uid);
  fields["file.previous.size"] = before.sizeBytes;
}

function actionOf({ changes }: FileChange): string {
  if (changes.includes("created")) return "file-created";
  if (changes.includes("deleted")) return "file-deleted";
  const isAttributes = changes.every((change) => change === "mode" || change === "owner" || change === "group");
  return isAttributes ? "file-attributes-changed" : "file-modified";
}

function categoryOf({ changes }: FileChange): string {
  if (changes.includes("created")) return "file_event";
  return changes.includes("deleted") ? "file_delete" : "file_change";
}

function octal(mode: number): string {
  return (mode & 0o7777).toString(8).padStart(4, "0");
}

function isExecutable(mode: number): boolean {
  return isRegular(mode) && (mode & 0o111) !== 0;
}

/** Runs as somebody else: setuid, or setgid where the group may execute it (without that the bit means locking). */
function isSetuid(mode: number): boolean {
  return isRegular(mode) && ((mode & SETUID) !== 0 || ((mode & SETGID) !== 0 && (mode & 0o010) !== 0));
}

/** A link's own mode means nothing; in a sticky directory nobody touches what is another's. */
function isWritableByOthers(mode: number): boolean {
  const type = mode & FILE_TYPE.mask;
  if ((mode & 0o002) === 0 || type === FILE_TYPE.link) return false;
  return type !== FILE_TYPE.directory || (mode & STICKY) === 0;
}
