// From a host written down as text to what the whole head says of it: detectors, our own rules, decision.
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { createChangeWriter } from "../context/events.ts";
import { hostFixture } from "../context/host.fixture.ts";
import { allDetectors } from "../daemon/head.ts";
import { type Judged, type Judgement, judge } from "../daemon/judge.ts";
import { NO_SITE } from "../daemon/site.ts";
import { createKillBudget } from "../decision/budget.ts";
import { policyFixture } from "../decision/policy.fixture.ts";
import { createEngine } from "./engine.ts";
import { loadRules } from "./rules.ts";

const RULES = resolve(import.meta.dir, "../../rules");

const engine = createEngine(
  loadRules(
    readdirSync(RULES)
      .flatMap((tactic) => readdirSync(join(RULES, tactic)).map((name) => join(RULES, tactic, name, "rule.yml")))
      .map((path) => ({ path, text: readFileSync(path, "utf8"), origin: "own" as const })),
  ).rules,
);

/** Everything that all our rules find on this host, and what would be done in enforce mode. */
export function judgeHost(text: string): Judgement {
  const host = hostFixture(text);
  let serial = 0;
  return judge({
    view: host.view,
    changes: createChangeWriter().changes(host.view, host.sockets),
    detectors: allDetectors(NO_SITE),
    engine,
    policy: policyFixture(),
    budget: createKillBudget(),
    atMs: host.view.atMs,
    newId: () => `id${serial++}`,
    onDetectorFault: (detector, thrown) => {
      throw new Error(`${detector} failed`, { cause: thrown });
    },
  });
}

/** `kill reverse_shell 171 173`, `record relay_terminal_verified`, ...: sorted, repeats once; `nothing` where there is nothing. */
export function verdictsOf(judged: readonly Judged[]): readonly string[] {
  const lines = judged.map(({ finding, decision }) => {
    const pids = "plan" in decision ? decision.plan.kill.map((ref) => ref.pid).sort((left, right) => left - right) : [];
    return [decision.do, finding.rule.name, ...pids].join(" ");
  });
  return lines.length === 0 ? ["nothing"] : [...new Set(lines)].sort();
}
