// Reads long text files line by line without standing in anybody's way: 64 KiB at a time, other work in between.
// Trusts nothing in them: special files are refused, lines and files are bounded.
// Costs one chunk of memory; a file of 200,000 lines takes about 30 turns of the event loop.
import { constants } from "node:fs";
import { type FileHandle, open, stat } from "node:fs/promises";
import { fail, messageOf, ok, type Result } from "../core/result.ts";

const CHUNK_BYTES = 64 * 1024;
const LINE_CHARACTERS_MAX = 64 * 1024;

/** Changes when the file does: another inode, another size, another time. Undefined where there is none. */
export async function stampOf(path: string): Promise<string | undefined> {
  try {
    const { dev, ino, size, mtimeNs } = await stat(path, { bigint: true });
    return `${dev}:${ino}:${size}:${mtimeNs}`;
  } catch {
    return undefined;
  }
}

/** Every line without its end, to `onLine`, in order. The value is the mode of the file. */
export async function readLines(
  path: string,
  bytesMax: number,
  onLine: (line: string) => void,
): Promise<Result<{ readonly mode: number; readonly ownerUid: number }>> {
  let file: FileHandle | undefined;
  try {
    // Opening a fifo would wait for its writer.
    file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const { mode, uid, size } = await file.stat();
    if ((mode & constants.S_IFMT) !== constants.S_IFREG) return fail("invalid", `${path} is no ordinary file`);
    if (size > bytesMax) return fail("limit", `${path} has ${size} bytes, at most ${bytesMax} are read`);
    await readChunks(file, bytesMax, onLine);
    return ok({ mode: mode & 0o7777, ownerUid: uid });
  } catch (thrown) {
    const kind = kindOf(thrown);
    return fail(kind, `${path} cannot be read: ${kind === "gone" ? "there is no such file" : messageOf(thrown)}`);
  } finally {
    await file?.close();
  }
}

async function readChunks(file: FileHandle, bytesMax: number, onLine: (line: string) => void): Promise<void> {
  const decoder = new TextDecoder();
  const buffer = new Uint8Array(CHUNK_BYTES);
  let rest = "";
  for (let total = 0; total < bytesMax; ) {
    const { bytesRead } = await file.read(buffer, 0, CHUNK_BYTES, null);
    if (bytesRead === 0) break;
    total += bytesRead;
    const lines = (rest + decoder.decode(buffer.subarray(0, bytesRead), { stream: true })).split("\n");
    // A line without an end is cut, and what follows counts as the next.
    rest = (lines.pop() ?? "").slice(0, LINE_CHARACTERS_MAX);
    for (const line of lines) onLine(line.endsWith("\r") ? line.slice(0, -1) : line);
    await Bun.sleep(0);
  }
  if (rest !== "") onLine(rest);
}

function kindOf(thrown: unknown): "gone" | "denied" | "io" {
  const code = thrown instanceof Error && "code" in thrown ? thrown.code : undefined;
  if (code === "ENOENT") return "gone";
  return code === "EACCES" || code === "EPERM" ? "denied" : "io";
}
