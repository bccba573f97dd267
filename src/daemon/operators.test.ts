import { expect, test } from "bun:test";
import { fakeClock } from "../core/nouns.fixture.ts";
import { createOperators } from "./operators.ts";

const sessionOf = (pid: number) => [
  { pid, startedAtTicks: 1 },
  { pid: pid - 1, startedAtTicks: 1 },
];

test("the session that talks to the daemon is spared, and for a minute after its last word", () => {
  const clock = fakeClock();
  const operators = createOperators(clock, sessionOf);
  operators.note(500);
  expect(operators.processes().map((ref) => ref.pid)).toEqual([500, 499]);
  clock.advance(59_000);
  operators.note(500);
  clock.advance(59_000);
  expect(operators.processes()).toHaveLength(2);
  clock.advance(2_000);
  expect(operators.processes()).toEqual([]);
});

test("a caller whose pid is not known spares nobody", () => {
  const operators = createOperators(fakeClock(), sessionOf);
  operators.note(0);
  operators.note(1);
  expect(operators.processes()).toEqual([]);
});

test("a flood of callers stays within its bound and the newest are kept", () => {
  const operators = createOperators(fakeClock(), (pid) => [{ pid, startedAtTicks: 1 }]);
  for (let pid = 2; pid < 1000; pid++) operators.note(pid);
  const kept = operators.processes().map((ref) => ref.pid);
  expect(kept).toHaveLength(64);
  expect(kept).toContain(999);
});
