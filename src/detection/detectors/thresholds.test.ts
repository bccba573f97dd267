// When a limit counts as passed: three scans in a row, once for each process and limit.
import { describe, expect, test } from "bun:test";
import { hostFixture } from "../../context/host.fixture.ts";
import type { Process } from "../../core/process.ts";
import type { HostView } from "../../core/view.ts";
import { processListsOf, WIDE_LISTS } from "../site/process_lists.fixture.ts";
import type { Limits, ProcessLists } from "../site/process_lists.ts";
import { createThresholdsDetector } from "./thresholds.ts";

const SCAN_MS = 5_000;
const limits = processListsOf(WIDE_LISTS);

/** What each scan in turn tells of pid 50. */
function told(
  scans: readonly Partial<Process>[],
  options: { head?: string; lists?: ProcessLists; trusted?: readonly number[]; sameTime?: boolean } = {},
): readonly string[] {
  const detector = createThresholdsDetector(() => options.lists ?? limits);
  return scans.map((change, index) => {
    const atMs = 1_800_000_000_000 + (options.sameTime === true ? 0 : index * SCAN_MS);
    const text = options.head ?? "pid 50 ppid 1 uid 1000 exe /home/alice/x";
    const host = hostFixture(text, { atMs, trusted: options.trusted ?? [] });
    const events = detector.sweep(changed(host.view, host.process(50), change));
    return events.map(({ fields }) => `${fields["threshold.name"]} ${fields["threshold.value"]}`).join();
  });
}

function changed(view: HostView, process: Process, change: Partial<Process>): HostView {
  const processes = new Map([...view.processes, [process.ref.pid, { ...process, ...change }] as const]);
  return { ...view, processes };
}

const busy = { cpuPercent: 200 };
const idle = { cpuPercent: 1 };

const ROWS: readonly [sentence: string, scans: readonly Partial<Process>[], expected: readonly string[]][] = [
  ["tells at the third scan in a row", [idle, busy, busy, busy, busy], ["", "", "", "cpu_percent 200", ""]],
  ["does not count the first measure of CPU", [busy, busy, busy, busy], ["", "", "", "cpu_percent 200"]],
  ["begins anew after a calm scan", [idle, busy, busy, idle, busy, busy], ["", "", "", "", "", ""]],
  ["lets a process be exactly at its limit", [{ threads: 1000 }, { threads: 1000 }, { threads: 1000 }], ["", "", ""]],
  [
    "counts threads, file handles and memory from the first scan",
    Array.from({ length: 3 }, () => ({ threads: 1001, fileHandles: 2001, residentBytes: 2 ** 32 * 0.9 })),
    ["", "", "memory_percent 90,threads 1001,file_handles 2001"],
  ],
  [
    "tells once, though it falls and rises again",
    [idle, busy, busy, busy, idle, busy, busy, busy],
    ["", "", "", "cpu_percent 200", "", "", "", ""],
  ],
];

describe("a process over its limit", () => {
  test.each(ROWS)("%s", (_sentence, scans, expected) => {
    expect(told(scans)).toEqual([...expected]);
  });

  const four = [idle, busy, busy, busy];
  test("is silent where it is trusted by name, and where its limit is 0", () => {
    const off = processListsOf({ PROCESS_THRESHOLDS: { ...WIDE_LISTS.PROCESS_THRESHOLDS, cpu_percent: 0 } });
    expect(told(four, { trusted: [50] }).join("")).toBe("");
    expect(told(four, { lists: off }).join("")).toBe("");
  });

  test("has the limits of its executable", () => {
    expect(told(four, { head: "pid 50 ppid 1 uid 1000 exe /usr/bin/ffmpeg" }).join("")).toBe("");
  });

  test("is not counted again when only sockets were looked at", () => {
    expect(told([idle, busy, busy, busy], { sameTime: true }).join("")).toBe("");
  });

  test("is told again an hour later", () => {
    const hour = Array.from({ length: 721 }, () => idle);
    expect(told([idle, busy, busy, busy, ...hour, busy, busy, busy]).filter((line) => line !== "").length).toBe(2);
  });

  const few: Limits = { ...WIDE_LISTS.PROCESS_THRESHOLDS, children: 1, connections: 1 };
  const counted = processListsOf({ PROCESS_THRESHOLDS: { ...few, executables: {} } });
  const COUNTS: readonly [sentence: string, head: string, expected: string][] = [
    [
      "direct children",
      "pid 50 ppid 1 uid 0 exe /srv/x\npid 51 ppid 50 uid 0 exe /srv/y\npid 52 ppid 50 uid 0 exe /srv/y\npid 53 ppid 51 uid 0 exe /srv/y",
      "children 2",
    ],
    [
      "connections, not listeners",
      `pid 50 ppid 1 uid 0 exe /srv/x\n  fd 3 rw socket:[1]\n  fd 4 rw socket:[2]\n  fd 5 rw socket:[3]
tcp 10.0.0.5:40000 -> 203.0.113.7:443 inode 1\ntcp 10.0.0.5:40001 -> 203.0.113.7:443 inode 2\ntcp listen 0.0.0.0:80 inode 3`,
      "connections 2",
    ],
  ];
  test.each(COUNTS)("counts %s", (_sentence, head, expected) => {
    expect(told([{}, {}, {}], { head, lists: counted })).toEqual(["", "", expected]);
  });
});
