// Who has whom under ptrace, and when it is told.
import { expect, test } from "bun:test";
import { hostFixture } from "../../context/host.fixture.ts";
import { createTracedDetector } from "./traced.ts";

const GDB = "pid 50 ppid 1 uid 1000 exe /usr/bin/gdb";
const ROWS: readonly [sentence: string, host: string, expected: readonly string[]][] = [
  ["nobody is traced", `${GDB}\npid 60 ppid 1 uid 1000 exe /usr/bin/sleep`, []],
  [
    "attached to another's",
    `${GDB}\npid 60 ppid 1 uid 33 tracer 50 exe /usr/bin/sleep`,
    ["50 -> 60 /usr/bin/sleep same=false own=false"],
  ],
  [
    "a program it runs itself",
    `${GDB}\npid 60 ppid 50 uid 1000 tracer 50 exe /usr/bin/sleep`,
    ["50 -> 60 /usr/bin/sleep same=true own=true"],
  ],
  ["a tracer nobody sees (another namespace)", "pid 60 ppid 1 uid 1000 tracer 999 exe /usr/bin/sleep", []],
];

test.each(ROWS)("%s", (_sentence, host, expected) => {
  const detector = createTracedDetector();
  const { view } = hostFixture(host);
  const told = detector.sweep(view).map(({ process, fields }) => {
    const { "trace.target.pid": pid, "trace.target.executable": path } = fields;
    return `${process?.pid} -> ${pid} ${path} same=${fields["trace.same_user"]} own=${fields["trace.own_child"]}`;
  });
  expect(told).toEqual([...expected]);
  expect(detector.sweep(view)).toEqual([]);
});
