/** The blocks of addresses that hold, over restarts and reboots: a small JSON file, replaced whole. */
import { constants, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { BLOCKS_MAX, type Block, DOMAIN_ADDRESSES_MAX, networkRange, parseTarget } from "../core/blocks.ts";
import { fail, messageOf, ok, type Result } from "../core/result.ts";

const FILE_BYTES_MAX = 4 * 1024 * 1024;
const TEXT_CHARACTERS_MAX = 1_000;
const FORMAT = 1;

export interface BlocksFile {
  /** Those that were written; none where there is no file; a fault where there is one that cannot be used. */
  load(): Result<readonly Block[]>;
  save(blocks: readonly Block[]): Result<void>;
}

export function openBlocksFile(path: string): BlocksFile {
  return { load, save };

  function load(): Result<readonly Block[]> {
    try {
      if (statSync(path).size > FILE_BYTES_MAX) return unusable("it is larger than it can be");
      // Opening a fifo would wait for its writer; so it reads as empty.
      const flag = constants.O_RDONLY | constants.O_NONBLOCK;
      const blocks = parseBlocks(readFileSync(path, { encoding: "utf8", flag }));
      return blocks === undefined ? unusable("it is damaged or of another version") : ok(blocks);
    } catch (thrown) {
      return isMissing(thrown) ? ok([]) : unusable(messageOf(thrown));
    }
  }

  function unusable(reason: string): Result<never> {
    return fail(
      "invalid",
      `${path} cannot be used: ${reason}; what was blocked before is not refused by the sensor now`,
      "order the blocks again: sudo algo-monitor block TARGET --for 1h",
    );
  }

  function save(blocks: readonly Block[]): Result<void> {
    try {
      // Whatever stands there is not written into: it may be a fifo or a link.
      rmSync(`${path}.new`, { force: true });
      writeFileSync(`${path}.new`, JSON.stringify({ format: FORMAT, blocks }), { mode: 0o600, flag: "wx" });
      renameSync(`${path}.new`, path);
      return ok(undefined);
    } catch (thrown) {
      return fail(
        "io",
        `${path} could not be written: ${messageOf(thrown)}; the sensor forgets this change with a restart`,
        "look whether the disk is full or read-only (df -h)",
      );
    }
  }
}

/** Undefined for what this version did not write; single entries that make no sense are left out. */
export function parseBlocks(text: string): readonly Block[] | undefined {
  const root = parsed(text);
  if (!isObject(root) || root["format"] !== FORMAT || !Array.isArray(root["blocks"])) return undefined;
  return root["blocks"].slice(0, BLOCKS_MAX).flatMap((entry) => blockOf(entry) ?? []);
}

function blockOf(value: unknown): Block | undefined {
  if (!isObject(value)) return undefined;
  const { target, networks, sinceMs, untilMs, by, reason } = value;
  const meant = isText(target) ? parseTarget(target) : undefined;
  if (meant === undefined || !Array.isArray(networks) || !isText(by) || !isText(reason)) return undefined;
  if (!isCount(sinceMs) || !isCount(untilMs)) return undefined;
  const known = networks
    .slice(0, DOMAIN_ADDRESSES_MAX)
    .filter((network): network is string => isText(network) && networkRange(network) !== undefined);
  return { ...meant, networks: known, sinceMs, untilMs, by, reason };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value.length <= TEXT_CHARACTERS_MAX;
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

function isMissing(thrown: unknown): boolean {
  return thrown instanceof Error && "code" in thrown && thrown.code === "ENOENT";
}
