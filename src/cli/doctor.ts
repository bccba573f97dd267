/**
 * `doctor`: what works on this host and why not. Touches nothing, needs no root; what it may not look at it calls
 * unknown and names what is needed. Each check is one row of `doctor_checks.ts`.
 */

import { Command } from "commander";
import { printable } from "../core/printable.ts";
import { messageOf, ok } from "../core/result.ts";
import { type Answered, type JsonOption, paintOf, present, withJson } from "./action.ts";
import { EXIT } from "./exit.ts";
import { type Paint, plural } from "./text.ts";
import type { Cli } from "./world.ts";

export type CheckState = "works" | "degraded" | "fails" | "unknown";

export interface Finding {
  readonly state: CheckState;
  readonly detail: string;
  /** What to do about it, or what is lost. */
  readonly remedy?: string;
}

export interface Check {
  readonly name: string;
  /** What algo-monitor needs it for. */
  readonly purpose: string;
  readonly run: (cli: Cli) => Promise<Finding> | Finding;
}

export function doctorCommand(cli: Cli): Command {
  const command = new Command("doctor")
    .summary("what works on this kernel and host, and why not")
    .description(
      "Checks kernel, systemd, the ways to see and to stop, files, config and rules. Touches nothing. Without root it checks what it can and names the rest. Exits 1 when something that protection needs does not work.",
    );
  return withJson(command).action(async (options: JsonOption) => {
    const { CHECKS } = await import("./doctor_checks.ts");
    present(cli, options, await examine(cli, CHECKS));
  });
}

export async function examine(cli: Cli, checks: readonly Check[]): Promise<Answered> {
  const rows = await Promise.all(
    checks.map(async (check) => ({ name: check.name, purpose: check.purpose, ...(await runCheck(cli, check)) })),
  );
  const of = (state: CheckState): number => rows.filter((row) => row.state === state).length;
  const json = { healthy: of("fails") === 0, root: cli.uid === 0, checks: rows };
  return ok({
    json,
    text: rows.map((row) => rowText(cli, row)).join("") + closing(cli, of),
    exit: of("fails") === 0 ? EXIT.ok : EXIT.failed,
  });
}

async function runCheck(cli: Cli, check: Check): Promise<Finding> {
  try {
    return await check.run(cli);
  } catch (thrown) {
    const code = thrown instanceof Error && "code" in thrown ? thrown.code : "";
    if (cli.uid !== 0 && (code === "EACCES" || code === "EPERM"))
      return { state: "unknown", detail: "may be looked at by root only", remedy: "sudo algo-monitor doctor" };
    return { state: "unknown", detail: `could not be checked: ${messageOf(thrown)}` };
  }
}

const SIGNS: Readonly<Record<CheckState, readonly [string, Paint]>> = {
  works: ["ok      ", "green"],
  degraded: ["degraded", "yellow"],
  fails: ["FAILS   ", "red"],
  unknown: ["unknown ", "dim"],
};

function rowText(cli: Cli, row: Finding & Pick<Check, "name" | "purpose">): string {
  const [sign, colour] = SIGNS[row.state];
  const more =
    row.state === "works"
      ? ""
      : `\n            needed for: ${printable(row.purpose)}${row.remedy === undefined ? "" : `\n            what to do: ${printable(row.remedy)}`}`;
  return `${paintOf(cli)(sign, colour)}  ${row.name}: ${printable(row.detail)}${more}\n`;
}

function closing(cli: Cli, of: (state: CheckState) => number): string {
  const [fails, degraded, unknown] = [of("fails"), of("degraded"), of("unknown")];
  const root = unknown > 0 && cli.uid !== 0 ? " With root it can look at everything: sudo algo-monitor doctor" : "";
  if (fails + degraded + unknown === 0) return "\nEverything that protection needs works.\n";
  return `\n${plural(fails, "check")} failed, ${degraded} degraded, ${unknown} unknown.${root}\n`;
}
