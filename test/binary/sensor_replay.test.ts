// The sensor's hands under the address and undefined-behaviour sanitizers: policy frames as the daemon writes them, then
// truncated, reordered, with hostile lengths and counts, and records of every size through its output. Seeded; needs root for maps.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  answerFrame,
  exemptFrame,
  networksFrame,
  programsFrames,
  settingsFrame,
  sparedFrame,
  watchFrame,
} from "../../src/daemon/kernel_frames.ts";
import { ROOT } from "./built.ts";

const CASES = 1_000;
const SANITIZERS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer"];
const folder = mkdtempSync(join(tmpdir(), "algo-replay-"));
const program = join(folder, "replay");
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** mulberry32: the same cases every time. */
function randomNumbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

const FRAMES: readonly Uint8Array[] = [
  settingsFrame({
    generation: 7,
    rules: [0, 2, 2, 2, 2, 0, 0, 0],
    hold: true,
    guardOn: true,
    deepSyscalls: false,
    holdConnectionMs: 500,
    holdExecMs: 50,
    daemonPid: 1,
  }),
  ...programsFrames(
    Array.from({ length: 40 }, (_, inode) => ({
      device: 2049,
      inode: inode + 1,
      program: 3,
      codeLetters: 1n,
      valueLetters: 2n,
      fingerprint: { entry: BigInt(inode), sections: 9n },
    })),
  ),
  exemptFrame([
    { rules: 2, uid: 1000 },
    { rules: 4, network: "10.0.0.0/8" },
  ]),
  sparedFrame([
    { kind: 1, id: 1000n },
    { kind: 2, id: 77n },
    { kind: 3, id: 4n },
  ]),
  networksFrame(3, [{ network: "198.51.100.0/24" }, { network: "2001:db8::/32", port: 3333 }]),
  networksFrame(4, [{ network: "203.0.113.7", untilNs: 5n }]),
  networksFrame(4, []),
  answerFrame(77n, "connection", "wait", 100),
  watchFrame([
    { path: "/srv/decoy", watch: "decoy" },
    { path: `/${"x".repeat(4_000)}`, watch: "credentials" },
    { path: "/proc/1/root/proc", watch: "process-memory" },
  ]),
  watchFrame([{ path: "/srv/decoy", watch: "decoy" }]),
];

beforeAll(() => {
  const sources = ["policy.c", "output.c", "files.c", "watches.c"].map((file) => join(ROOT, "src/sensor", file));
  const built = Bun.spawnSync([
    "gcc",
    "-g",
    "-O1",
    "-Wall",
    ...SANITIZERS,
    `-I${join(ROOT, "src/sensor")}`,
    join(ROOT, "test/sensor/replay.c"),
    ...sources,
    "-o",
    program,
    "-lbpf",
    "-lelf",
    "-lz",
  ]);
  if (!built.success) throw new Error(`the replay cannot be built (gcc, libasan, libbpf-dev): ${built.stderr}`);
}, 60_000);

function replay(frames: Uint8Array, records: Uint8Array = new Uint8Array()) {
  const path = join(folder, "records");
  writeFileSync(path, records);
  const ran = Bun.spawnSync([program, path], {
    stdin: frames,
    env: { ASAN_OPTIONS: "abort_on_error=0:detect_leaks=0", UBSAN_OPTIONS: "print_stacktrace=1" },
    timeout: 20_000,
  });
  return { exitCode: ran.exitCode, said: String(ran.stderr).slice(0, 4_000) };
}

describe("the sensor's hands", () => {
  test("take every frame that the daemon writes", () => {
    const { exitCode, said } = replay(Buffer.concat([...FRAMES, ...FRAMES]));
    expect([exitCode, said]).toEqual([0, "sensor: GUARD_ON: not in a replay\nsensor: GUARD_ON: not in a replay\n"]);
  });

  test(`do nothing wrong with ${CASES} streams of frames that are damaged`, () => {
    const random = randomNumbers(20_261_127);
    for (let number = 0; number < CASES; number++) {
      const parts = Array.from({ length: 1 + random(6) }, () =>
        damaged(FRAMES[random(FRAMES.length)] ?? new Uint8Array(), random),
      );
      const { exitCode, said } = replay(Buffer.concat(parts));
      expect([0, 1], `case ${number}: ${said}`).toContain(exitCode ?? -1);
      expect(said, `case ${number}`).not.toMatch(/ERROR: AddressSanitizer|runtime error/);
    }
  }, 120_000);

  test("bound what they keep for a daemon that does not read", () => {
    const random = randomNumbers(4);
    const records = new Uint8Array(3 * 1024 * 1024).map(() => random(256));
    const { exitCode, said } = replay(new Uint8Array(), records);
    expect([exitCode, said]).toEqual([0, ""]);
  });
});

/** One of: as it is, cut short, bytes changed, a hostile size, a hostile count, noise before it. */
function damaged(frame: Uint8Array, random: (below: number) => number): Uint8Array {
  const bytes = frame.slice();
  const view = new DataView(bytes.buffer);
  switch (random(6)) {
    case 0:
      return bytes;
    case 1:
      return bytes.subarray(0, random(bytes.length));
    case 2:
      for (let change = 0; change < 1 + random(8); change++) bytes[random(bytes.length)] = random(256);
      return bytes;
    case 3:
      view.setUint16(0, [0, 8, 16, 24, 65_528, 65_535][random(6)] ?? 0, true);
      return bytes;
    case 4:
      view.setUint32(16, [0xffffffff, 0x10000000, 1_201, 65_536][random(4)] ?? 0, true);
      return bytes;
    default:
      return Buffer.concat([new Uint8Array(random(24)).map(() => random(256)), bytes]);
  }
}
