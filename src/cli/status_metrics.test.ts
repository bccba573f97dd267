import { describe, expect, test } from "bun:test";
import { FIXED_NOW_MS, statusFixture } from "../daemon/control.fixture.ts";
import { downMetrics, statusMetrics } from "./status_metrics.ts";

interface Parsed {
  readonly types: ReadonlyMap<string, string>;
  readonly samples: ReadonlyMap<string, number>;
}

const NAME = /^[a-z_][a-z0-9_]*$/;
const LABELS = /([a-z_]+)="((?:[^"\\\n]|\\\\|\\"|\\n)*)"(?:,|$)/gy;

/** A strict reader of the text format 0.0.4: throws on whatever a scraper would refuse. */
function parse(text: string): Parsed {
  const types = new Map<string, string>();
  const helps = new Set<string>();
  const samples = new Map<string, number>();
  let current = "";
  if (!text.endsWith("\n")) throw new Error("the last line has no end");
  for (const line of text.slice(0, -1).split("\n")) {
    const comment = /^# (HELP|TYPE) (\S+) (.+)$/.exec(line);
    if (comment !== null) {
      const [, kind, name = "", rest = ""] = comment;
      if (!NAME.test(name)) throw new Error(`bad name ${name}`);
      if (kind === "HELP" ? helps.has(name) : types.has(name)) throw new Error(`${kind} of ${name} twice`);
      if (kind === "HELP") helps.add(name);
      else types.set(name, rest);
      current = name;
      continue;
    }
    const sample = /^([a-z0-9_]+)(?:\{(.*)\})? (-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)$/.exec(line);
    if (sample === null) throw new Error(`not a sample: ${line}`);
    const [, name = "", labels = "", value = ""] = sample;
    if (name !== current || !types.has(name) || !helps.has(name)) throw new Error(`${name} stands outside its group`);
    if (labels !== "" && [...labels.matchAll(LABELS)].map((match) => match[0]).join("") !== labels)
      throw new Error(`bad labels: ${labels}`);
    const key = `${name}{${labels}}`;
    if (samples.has(key)) throw new Error(`${key} twice`);
    samples.set(key, Number(value));
  }
  return { types, samples };
}

describe("metrics", () => {
  const report = statusFixture({
    faults: { io: 3, 'we"ird\\\n\u001bkind': 1 },
    budgets: [
      {
        rule: "reverse_shell",
        executable: '/tmp/a"b\\c\nd\ud800',
        used: 3,
        limit: 10,
        loweredUntilMs: FIXED_NOW_MS + 1,
      },
    ],
    degradations: [{ part: "netlink", sinceMs: 0, reason: "r" }],
  });
  const { types, samples } = parse(statusMetrics(report));

  const VALUES: readonly (readonly [string, number])[] = [
    ["algo_monitor_up{}", 1],
    ["algo_monitor_enforcing{}", 1],
    ['algo_monitor_build_info{version="0.1.0",commit="abc1234"}', 1],
    ["algo_monitor_start_time_seconds{}", (FIXED_NOW_MS - 3 * 3_600_000) / 1000],
    ['algo_monitor_scanner_enabled{scanner="network"}', 0],
    ['algo_monitor_scan_last_duration_seconds{scanner="processes"}', 0.01125],
    ['algo_monitor_findings_total{severity="ALERT"}', 1],
    ['algo_monitor_decisions_total{action="kill"}', 1],
    ['algo_monitor_faults_total{kind="io"}', 3],
    ['algo_monitor_faults_total{kind="we\\"ird\\\\\\n\ufffdkind"}', 1],
    ['algo_monitor_kill_budget_lowered{rule="reverse_shell",executable="/tmp/a\\"b\\\\c\\nd\ufffd"}', 1],
    ['algo_monitor_degraded{part="netlink"}', 1],
    ["algo_monitor_store_up{}", 1],
  ];
  for (const [key, value] of VALUES) test(`${key} is ${value}`, () => expect(samples.get(key)).toBe(value));

  test("a scanner that never ran has no duration", () =>
    expect(samples.has('algo_monitor_scan_last_duration_seconds{scanner="network"}')).toBe(false));
  test("counters end in _total and nothing else does", () => {
    for (const [name, type] of types) expect([name, name.endsWith("_total")]).toEqual([name, type === "counter"]);
  });
  test("a pause is not enforcing", () => {
    const paused = parse(statusMetrics(statusFixture({ pausedUntilMs: FIXED_NOW_MS + 1 })));
    expect([paused.samples.get("algo_monitor_paused{}"), paused.samples.get("algo_monitor_enforcing{}")]).toEqual([
      1, 0,
    ]);
  });
  test("without a daemon there is only up 0", () =>
    expect([...parse(downMetrics()).samples]).toEqual([["algo_monitor_up{}", 0]]));
});
