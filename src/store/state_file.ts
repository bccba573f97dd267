/**
 * Small JSON files of what the daemon must know after a restart: read bounded, replaced whole. What stands there is never
 * trusted: it may be a fifo, a link, or damaged.
 */
import { constants, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { messageOf } from "../core/result.ts";

/** Undefined where there is none. */
export type StateRead = { readonly text: string } | { readonly unusable: string } | undefined;

export function readStateFile(path: string, bytesMax: number): StateRead {
  try {
    if (statSync(path).size > bytesMax) return { unusable: "it is larger than it can be" };
    // Opening a fifo would wait for its writer; so it reads as empty.
    return { text: readFileSync(path, { encoding: "utf8", flag: constants.O_RDONLY | constants.O_NONBLOCK }) };
  } catch (thrown) {
    const isMissing = thrown instanceof Error && "code" in thrown && thrown.code === "ENOENT";
    return isMissing ? undefined : { unusable: messageOf(thrown) };
  }
}

/** Why not, where it could not be written. */
export function writeStateFile(path: string, state: object): string | undefined {
  try {
    // Whatever stands there is not written into: it may be a fifo or a link.
    rmSync(`${path}.new`, { force: true });
    writeFileSync(`${path}.new`, JSON.stringify(state), { mode: 0o600, flag: "wx" });
    renameSync(`${path}.new`, path);
    return undefined;
  } catch (thrown) {
    return messageOf(thrown);
  }
}

export function parsedState(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const TEXT_CHARACTERS_MAX = 1_024;

export function isText(value: unknown): value is string {
  return typeof value === "string" && value.length <= TEXT_CHARACTERS_MAX;
}

export function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}
