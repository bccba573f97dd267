/**
 * Where the native sensor of this build is: among the embedded files of the executable, or in dist/ beside a source
 * checkout. A build may lack it (ALGO_WITHOUT_SENSOR); then the answer says so.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fail, type Result } from "../core/result.ts";
import { executableInMemory } from "../host/executable_memory.ts";

const BUILT_ROOT = "/$bunfs/";
const FROM_SOURCE = join(import.meta.dir, "..", "..", "dist", "algo-sensor.bin");

/** A path to execute; the same every time. */
export async function sensorExecutable(): Promise<Result<string>> {
  known ??= find();
  return known;
}

let known: Promise<Result<string>> | undefined;

async function find(): Promise<Result<string>> {
  const bytes = import.meta.url.includes(BUILT_ROOT) ? await embedded() : besideSource();
  if (bytes === undefined)
    return fail("unsupported", "this build has no kernel sensor", "install a release, or build with clang and libbpf");
  return executableInMemory("algo-sensor", bytes);
}

async function embedded(): Promise<Uint8Array | undefined> {
  for (const file of Bun.embeddedFiles) {
    if ("name" in file && typeof file.name === "string" && file.name.includes("algo-sensor")) return file.bytes();
  }
  return undefined;
}

function besideSource(): Uint8Array | undefined {
  return existsSync(FROM_SOURCE) ? readFileSync(FROM_SOURCE) : undefined;
}
