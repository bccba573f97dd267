import { expect, test } from "bun:test";
import { systemClock } from "../core/clock.ts";
import type { ProcessSweep } from "../host/processes.ts";
import { createProcessReader } from "../host/processes.ts";
import { faultsOf } from "./processes.ts";

const whole: ProcessSweep = {
  ...createProcessReader({ clock: systemClock }).read(),
  unreadable: 0,
  unreadableDescriptors: 0,
  cut: { processes: 0, descriptors: 0, arguments: 0 },
  cutProcesses: [],
};
const ourselves = whole.processes.find((seen) => seen.ref.pid === process.pid);
if (ourselves === undefined) throw new Error("a sweep must see the process that makes it");
const ours = { ...ourselves.ref, uid: 1000, descriptors: 17_003 };
const gone = { pid: 4_000_000, startedAtTicks: 1, uid: 1001, descriptors: 9000 };

const rows: readonly [name: string, change: Partial<ProcessSweep>, message: RegExp, remedy: RegExp][] = [
  [
    "a process that was cut is named with its program, user and count",
    { cut: { ...whole.cut, descriptors: 1 }, cutProcesses: [ours] },
    new RegExp(`pid ${process.pid} \\(.+, /.+, uid 1000\\) has 17003 open\\. Descriptors 0 to 2`),
    new RegExp(`/proc/${process.pid}/fd.+uid 1000 with nofile`),
  ],
  [
    "one that ended since is named by what is known",
    { cut: { ...whole.cut, descriptors: 1 }, cutProcesses: [gone] },
    /pid 4000000 \(ended, uid 1001\) has 9000 open/,
    /nofile/,
  ],
  [
    "a crowd of them is counted behind the first three",
    { cut: { ...whole.cut, descriptors: 70 }, cutProcesses: [ours, gone, ours, gone] },
    /^70 processes .+; and 67 more\./,
    /nofile/,
  ],
  [
    "more processes than are looked at are told with what to do",
    { cut: { ...whole.cut, processes: 1 } },
    new RegExp(`the ${whole.processes.length} with the lowest pids were seen`),
    /TasksMax=/,
  ],
];

test.each(rows)("%s", (_, change, message, remedy) => {
  const [fault, ...others] = faultsOf({ ...whole, ...change });
  expect(others).toEqual([]);
  expect(fault?.kind).toBe("limit");
  expect(fault?.message).toMatch(message);
  expect(fault?.remedy).toMatch(remedy);
});

test("a sweep that saw everything has no faults", () => {
  expect(faultsOf(whole)).toEqual([]);
});
