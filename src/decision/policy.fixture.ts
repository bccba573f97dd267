import type { NeverTouch, Policy } from "./policy.ts";

/** A policy that enforces and excepts nothing; pass what the test is about. */
export function policyFixture(overrides: Partial<Policy> = {}): Policy {
  return {
    generation: 1,
    mode: "enforce",
    pausedUntilMs: 0,
    rules: new Map(),
    exceptions: [],
    argsMatch: (pattern, commandLine) => commandLine.includes(pattern),
    neverTouch: neverTouchFixture(),
    trustedExecutables: [],
    killBudgetPerMinute: 10,
    ...overrides,
  };
}

export function neverTouchFixture(overrides: Partial<NeverTouch> = {}): NeverTouch {
  return { executables: new Set(), units: new Set(), userIds: new Set(), processes: [], ...overrides };
}
