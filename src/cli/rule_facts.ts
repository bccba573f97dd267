/** What this host knows of a rule besides its file: what RULES makes of it, how often it was seen. */
import { readFileSync, statSync } from "node:fs";
import type { ExceptionEntry } from "../core/exception.ts";
import { exceptionFor, isNarrowed } from "../core/exception.ts";
import type { ResponseKind } from "../core/nouns.ts";
import { ok } from "../core/result.ts";
import { TACTICS, techniqueOf, techniquesOf } from "../detection/attack.ts";
import type { Rule } from "../detection/rules.ts";
import { withHistory } from "./history.ts";
import type { Cli } from "./world.ts";

export type Moved = ReadonlyMap<string, ResponseKind>;

/** RULES of the config by lower-case name or id; empty where there is no config that can be read. */
export async function movedRules(cli: Cli): Promise<Moved> {
  if (cli.uid !== 0 || statSync(cli.paths.configFile, { throwIfNoEntry: false }) === undefined) return new Map();
  const { parseConfig } = await import("../config/load.ts");
  const { config } = parseConfig(readFileSync(cli.paths.configFile));
  return new Map(Object.entries(config.RULES).map(([name, response]) => [name.toLowerCase(), response]));
}

/** What the daemon does for it now: the rule's own answer, unless RULES says another. */
export function responseInForce(rule: Rule, moved: Moved): ResponseKind {
  return moved.get(rule.ref.name.toLowerCase()) ?? moved.get(rule.ref.id.toLowerCase()) ?? rule.response;
}

/** Of its tags the first that is a tactic of ATT&CK; empty where none is. */
export function tacticOf(rule: Pick<Rule, "tags">): string {
  const names = rule.tags.filter((tag) => tag.startsWith("attack.")).map((tag) => tag.slice("attack.".length));
  return names.find((name) => TACTICS.has(name)) ?? "";
}

/** `T1059.004 Command and Scripting Interpreter: Unix Shell`. */
export function techniqueNames(rule: Pick<Rule, "tags">): readonly { readonly id: string; readonly name: string }[] {
  return techniquesOf(rule.tags).map(({ id, name }) => {
    const parent = id.includes(".") ? techniqueOf(id.split(".")[0] ?? "") : undefined;
    return { id, name: parent === undefined ? name : `${parent.name}: ${name}` };
  });
}

export interface RuleHistory {
  readonly findings: number;
  readonly alerts: number;
  readonly openAlerts: number;
  readonly lastAtMs?: number;
  /** What `trust` would write for the newest one. */
  readonly exception?: ExceptionEntry;
  /** Who set RULES for it last. */
  readonly changedBy?: { readonly who: string; readonly atMs: number };
}

const ALERTS_MAX = 10_000;
const AUDIT_MAX = 10_000;

/** Undefined where the store cannot be read. */
export async function historyOf(cli: Cli, rule: Rule): Promise<RuleHistory | undefined> {
  if (cli.uid !== 0) return undefined;
  const found = await withHistory<RuleHistory>(cli, (reader) => {
    const alerts = reader.alerts({ rule: rule.ref.name, limit: ALERTS_MAX });
    if (!alerts.ok) return { ok: false, fault: { ...alerts.fault, exit: 1 } };
    const newest = reader.findSimilar(rule.ref.name, 1);
    const finding = newest.ok ? newest.value[0]?.finding : undefined;
    const exception = finding === undefined ? undefined : exceptionFor(finding);
    const audit = reader.audit({ limit: AUDIT_MAX });
    const change = audit.ok ? audit.value.find((row) => isChangeOf(rule, row.action, row.detail)) : undefined;
    const [latest] = alerts.value;
    return ok({
      findings: alerts.value.reduce((sum, alert) => sum + alert.count, 0),
      alerts: alerts.value.length,
      openAlerts: alerts.value.filter((alert) => alert.status === "new").length,
      ...(latest === undefined ? {} : { lastAtMs: latest.lastAtMs }),
      ...(exception === undefined || !isNarrowed(exception) ? {} : { exception }),
      ...(change === undefined ? {} : { changedBy: { who: change.who, atMs: change.atMs } }),
    });
  });
  return found.ok ? found.value : undefined;
}

function isChangeOf(rule: Rule, action: string, detail: string): boolean {
  if (action !== "config-set") return false;
  const key = (detail.split(" = ", 1)[0] ?? "").toLowerCase();
  return key === `rules.${rule.ref.name.toLowerCase()}` || key === `rules.${rule.ref.id.toLowerCase()}`;
}
