// From the structures of sensor/wire.h, written by a C program, to the daemon's words; and what hostile bytes become.
import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import type { KernelWord } from "../core/kernel.ts";
import { wordOf } from "./kernel_words.ts";

const BOOT_MS = 1_000_000;
const workshop = mkdtempSync(join(tmpdir(), "kernel-words-"));
afterAll(() => rmSync(workshop, { recursive: true, force: true }));

const compiler = Bun.which("cc") ?? Bun.which("gcc") ?? Bun.which("clang");
const records = compiler === null ? [] : written(compiler);

/** In the order in which the program writes them. */
function written(cc: string): readonly Uint8Array[] {
  const program = join(workshop, "records");
  const built = Bun.spawnSync([cc, "-o", program, join(import.meta.dir, "kernel_words.fixture.c")]);
  if (built.exitCode !== 0) throw new Error(built.stderr.toString());
  const bytes = new Uint8Array(Bun.spawnSync([program]).stdout);
  const view = new DataView(bytes.buffer);
  const found: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += view.getUint16(at, true))
    found.push(bytes.slice(at, at + view.getUint16(at, true)));
  return found;
}

const REF = { pid: 500, startedAtTicks: 1_500 };
const TASK = {
  ref: REF,
  parent: { pid: 400, startedAtTicks: 1_400 },
  startedAtMs: BOOT_MS + 15_009,
  effectiveUid: 0,
  uid: 1_000,
  gid: 7,
  loginUid: -1,
  sessionId: 399,
  terminalDevice: 34_816,
  namespaces: { mount: 11, network: 12, pid: 14 },
  device: 2_049,
  inode: 77,
  cgroup: 9_001n,
  isNamed: true,
  marks: { memfd: true, deleted: false, setuid: true },
} as const;
const CONNECTION = {
  cookie: 4_001n,
  inode: 9_002,
  networkNamespace: 12,
  protocol: "tcp",
  direction: "connected",
  listens: false,
  local: { address: "10.0.0.5", port: 40_000 },
  remote: { address: "203.0.113.7", port: 4_444 },
  bytesReceived: 5,
  bytesSent: 6,
  openedAtMs: BOOT_MS + 50_000,
} as const;
const AT_MS = BOOT_MS + 60_000;

const WORDS: readonly KernelWord[] = [
  {
    kind: "exec",
    exec: {
      atMs: AT_MS,
      sinceBootUs: 60_000_000,
      task: TASK,
      path: "/bin/sh",
      directory: "/srv/work",
      argv: ["sh", "-i"],
      argvTruncated: true,
      incomplete: true,
      environment: ["LD_PRELOAD=x"],
    },
  },
  { kind: "fork", ref: { pid: 501, startedAtTicks: 1_600 }, parent: REF },
  { kind: "exit", ref: { pid: 501, startedAtTicks: 1_600 } },
  { kind: "connect", task: TASK, connection: CONNECTION },
  {
    kind: "dns",
    ref: REF,
    message: { isAnswer: false, name: "a.b.org", questionType: "AAAA", addresses: [] },
  },
  { kind: "refused", source: "198.51.100.9", ports: 30 },
  { kind: "signal", task: TASK, name: "kill", targetPid: 700, signal: 9 },
  { kind: "file", sinceBootUs: 60_000_000, ...REF, path: "/a/b/c", watch: "decoy", written: true },
  { kind: "module", task: TASK, name: "evil" },
  { kind: "uring", task: TASK },
  {
    kind: "change",
    task: TASK,
    beforeUid: 1_000,
    uidChanged: true,
    capabilitiesGained: true,
    namespaces: ["network"],
  },
  {
    kind: "verdict",
    verdict: {
      atMs: AT_MS,
      task: TASK,
      connection: CONNECTION,
      holder: { pid: 450, startedAtTicks: 1_450 },
      generation: 7,
      rule: "bind_shell",
      shape: "loop",
      stage: "receive",
      action: "killed",
      argv: ["sh", "-i"],
    },
  },
  {
    kind: "ask",
    ask: {
      atMs: AT_MS,
      task: TASK,
      id: 0xffff_8880_1234_5678n,
      shape: "child",
      stage: "exec",
      held: "connection",
      argv: [],
    },
  },
  { kind: "expired", waitedMs: 500 },
  { kind: "loss", fromMs: BOOT_MS + 59_000, toMs: AT_MS, urgent: 1, vital: 2, other: 3, files: 4, unseen: 5 },
];

describe.skipIf(compiler === null)(
  `records as C writes them${compiler === null ? ": skipped, no C compiler" : ""}`,
  () => {
    test("each kind is there once", () => expect(records.length).toBe(WORDS.length));

    for (const [index, expected] of WORDS.entries())
      test(`a record of kind ${expected.kind} is read field by field`, () =>
        expect(wordOf(records[index] ?? new Uint8Array(), BOOT_MS)).toEqual(expected));

    test("a record that is cut is no word", () => {
      for (const record of records) {
        const cut = record.slice(0, 24);
        expect(wordOf(cut, BOOT_MS)).toBeUndefined();
      }
    });

    test("whatever stands in a record, reading it ends and invents no text", () => {
      fc.assert(
        fc.property(
          fc.nat(records.length - 1),
          fc.array(fc.tuple(fc.nat(1_000), fc.nat(255)), { maxLength: 40 }),
          (which, changes) => {
            const record = (records[which] ?? new Uint8Array()).slice();
            for (const [at, value] of changes) if (at > 2) record[at % record.length] = value;
            const word = wordOf(record, BOOT_MS);
            if (word?.kind === "exec") expect(word.exec.argv.join("").length).toBeLessThanOrEqual(record.length);
          },
        ),
        { seed: 4, numRuns: 2_000 },
      );
    });
  },
);

test("bytes of no known kind are no word", () => {
  const header = new Uint8Array(64);
  for (const type of [0, 1, 2, 21, 99, 255]) {
    header[2] = type;
    expect(wordOf(header, BOOT_MS)).toBeUndefined();
  }
});
