import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { parseCgroup, parseCommandLine, parseStat, parseStatus } from "./process_files.ts";

const LIMITS = { bytes: 1024, count: 8 };
const SEED = 20;

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** A stat line of kernel 6.1 with 52 fields, field 22 (start) being 777. */
function statLine(name: string, state = "S", flags = "4194304"): Uint8Array {
  const tail =
    "1 10 11 34817 -1 FLAGS 12 13 14 15 16 17 18 19 20 0 5 0 777 1000 300 18446744073709551615 1 2 140737488350000 0 0 0 0 4096 65538 0 0 0 17 1 0 0 0 0 0 3 4 5 140737488350111 140737488350222 6 7 0";
  return Buffer.concat([
    bytes("42 ("),
    Buffer.from(name, "latin1"),
    bytes(`) ${state} ${tail.replace("FLAGS", flags)}\n`),
  ]);
}

describe("parseStat", () => {
  const names: [string, string, string][] = [
    ["reads a plain name", "bash", "bash"],
    ["takes the last bracket as the end of a name that holds brackets", "a) R 1 (b", "a) R 1 (b"],
    ["keeps newlines and escape codes as they are", "x\n\u001b[31m", "x\n\u001b[31m"],
    ["replaces invalid UTF-8", "\xff\xfe", "\ufffd\ufffd"],
    ["reads an empty name", "", ""],
  ];
  test.each(names)("%s", (_, name, expected) => {
    const stat = parseStat(statLine(name));
    expect(stat).toMatchObject({
      name: expected,
      state: "S",
      parentPid: 1,
      processGroupId: 10,
      sessionId: 11,
      terminalDevice: 34817,
      flags: 4194304,
      threads: 5,
      startedAtTicks: 777,
    });
  });

  test("numbers every field as proc(5) does", () => {
    const line = bytes(`1 (x) S ${Array.from({ length: 49 }, (_, index) => index + 4).join(" ")}\n`);
    expect(parseStat(line)).toEqual({
      name: "x",
      state: "S",
      parentPid: 4,
      processGroupId: 5,
      sessionId: 6,
      terminalDevice: 7,
      flags: 9,
      childrenMinorFaults: 11,
      userTicks: 14,
      systemTicks: 15,
      childrenUserTicks: 16,
      childrenSystemTicks: 17,
      threads: 20,
      startedAtTicks: 22,
      residentPages: 24,
      startStack: 28,
      argumentsAt: 48,
    });
  });

  const refused: [string, Uint8Array][] = [
    ["refuses an empty file", bytes("")],
    ["refuses a line without brackets", bytes("1 x S 1 2 3")],
    ["refuses a line that ends after the name", bytes("1 (x)")],
    ["refuses a line cut in the middle", bytes("1 (x) S 1 2 3 4 5")],
    ["refuses letters among the numbers", bytes(`1 (x) S ${"1 ".repeat(20)}oops ${"1 ".repeat(20)}`)],
  ];
  test.each(refused)("%s", (_, line) => expect(parseStat(line)).toBeUndefined());
});

describe("parseStatus", () => {
  test("takes ids, the size of the descriptor table, nested pids and huge pages", () => {
    const text =
      "Name:\tUid:\\n\nUmask:\t0022\nTracerPid:\t77\nUid:\t1000\t0\t2\t3\nGid:\t7\t8\t9\t10\nFDSize:\t64\nNSpid:\t300\t12\nVmRSS:\t  5 kB\nHugetlbPages:\t  2048 kB\nThreads:\t1\n";
    expect(parseStatus(bytes(text))).toEqual({
      uid: 1000,
      effectiveUid: 0,
      gid: 7,
      namespacePids: [300, 12],
      descriptorTableSize: 64,
      hugePagesBytes: 2048 * 1024,
      tracerPid: 77,
    });
  });

  test("says -1 for ids that are missing", () => {
    expect(parseStatus(bytes("Name:\tx\n"))).toMatchObject({ uid: -1, effectiveUid: -1, gid: -1, hugePagesBytes: 0 });
  });
});

describe("parseCommandLine", () => {
  const rows: [string, string, readonly string[], boolean][] = [
    ["splits at NUL", "bash\0-c\0id\0", ["bash", "-c", "id"], false],
    ["keeps an empty last argument", "bash\0-c\0\0", ["bash", "-c", ""], false],
    ["keeps empty arguments in the middle", "a\0\0b\0", ["a", "", "b"], false],
    ["drops the padding of a rewritten title", `sshd: alice${"\0".repeat(40)}`, ["sshd: alice"], false],
    ["reads a title without NUL", "nginx: worker", ["nginx: worker"], false],
    ["reads nothing as no arguments", "", [], false],
    ["keeps newlines and escapes", "a\n\u001b[2Jb\0", ["a\n\u001b[2Jb"], false],
    ["cuts at the limit of arguments", "a\0".repeat(20), Array(8).fill("a"), true],
    ["cuts at the limit of bytes", "x".repeat(2000), ["x".repeat(1024)], true],
  ];
  test.each(rows)("%s", (_, text, argv, truncated) => {
    expect(parseCommandLine(bytes(text), LIMITS)).toEqual({ argv, truncated });
  });

  test("returns the same object for the same bytes, so that sweeps share memory", () => {
    const first = parseCommandLine(bytes("a\0b\0"), LIMITS);
    expect(parseCommandLine(bytes("a\0b\0"), LIMITS, first)).toBe(first);
    expect(parseCommandLine(bytes("a\0c\0"), LIMITS, first)).not.toBe(first);
  });
});

const cgroups: [string, string, string][] = [
  ["takes the unified path", "0::/system.slice/ssh.service\n", "/system.slice/ssh.service"],
  ["takes systemd's hierarchy of v1", "5:cpu:/x\n1:name=systemd:/user.slice\n", "/user.slice"],
  ["prefers systemd's where the unified one is unused", "1:name=systemd:/a.service\n0::/\n", "/a.service"],
  ["says root for the root", "0::/\n", "/"],
  ["says nothing for nothing", "", ""],
];
test.each(cgroups)("parseCgroup %s", (_, text, path) => expect(parseCgroup(text)).toBe(path));

test("no bytes make a parser throw", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 600 }), (input) => {
      parseStat(input);
      parseStat(Buffer.concat([bytes("1 ("), input]));
      parseStatus(input);
      expect(parseCommandLine(input, LIMITS).argv.length).toBeLessThanOrEqual(LIMITS.count);
      parseCgroup(new TextDecoder().decode(input));
    }),
    { seed: SEED, numRuns: 500 },
  );
});
