/** The blocks of addresses that hold, over restarts and reboots: a small JSON file, replaced whole. */
import { BLOCKS_MAX, type Block, DOMAIN_ADDRESSES_MAX, networkRange, parseTarget } from "../core/blocks.ts";
import { fail, ok, type Result } from "../core/result.ts";
import { isCount, isObject, isText, parsedState, readStateFile, writeStateFile } from "./state_file.ts";

const FILE_BYTES_MAX = 4 * 1024 * 1024;
const FORMAT = 1;

export interface BlocksFile {
  /** Those that were written; none where there is no file; a fault where there is one that cannot be used. */
  load(): Result<readonly Block[]>;
  save(blocks: readonly Block[]): Result<void>;
}

export function openBlocksFile(path: string): BlocksFile {
  return { load, save };

  function load(): Result<readonly Block[]> {
    const read = readStateFile(path, FILE_BYTES_MAX);
    if (read === undefined) return ok([]);
    if ("unusable" in read) return unusable(read.unusable);
    const blocks = parseBlocks(read.text);
    return blocks === undefined ? unusable("it is damaged or of another version") : ok(blocks);
  }

  function unusable(reason: string): Result<never> {
    return fail(
      "invalid",
      `${path} cannot be used: ${reason}; what was blocked before is not refused by the sensor now`,
      "order the blocks again: sudo algo-monitor block TARGET --for 1h",
    );
  }

  function save(blocks: readonly Block[]): Result<void> {
    const why = writeStateFile(path, { format: FORMAT, blocks });
    if (why === undefined) return ok(undefined);
    return fail(
      "io",
      `${path} could not be written: ${why}; the sensor forgets this change with a restart`,
      "look whether the disk is full or read-only (df -h)",
    );
  }
}

/** Undefined for what this version did not write; single entries that make no sense are left out. */
export function parseBlocks(text: string): readonly Block[] | undefined {
  const root = parsedState(text);
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
