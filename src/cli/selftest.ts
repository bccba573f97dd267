/**
 * `selftest`: "do you see me?" This command is itself the harmless new process, with a listener and a connection on
 * 127.0.0.1, that the running daemon must report within two scans. Starts nothing, leaves nothing behind.
 */

import { readFileSync } from "node:fs";
import { Command } from "commander";
import { newId } from "../core/ids.ts";
import { printable } from "../core/printable.ts";
import type { ProcessRef } from "../core/process.ts";
import { messageOf, ok, type Result } from "../core/result.ts";
import { type Answered, asRoot, type JsonOption, paintOf, withJson } from "./action.ts";
import { askDaemon, refuse } from "./client.ts";
import { type CommandFault, EXIT } from "./exit.ts";
import { milliseconds, table } from "./text.ts";
import type { Cli } from "./world.ts";

interface SelftestOptions extends JsonOption {
  readonly wait: string;
}

export function selftestCommand(cli: Cli): Command {
  const command = new Command("selftest")
    .summary("prove that the running daemon sees this host")
    .description(
      "Asks the running daemon whether it sees this very command: a new process with a connection on 127.0.0.1. Harmless; waits until the next scans are through. Fails when something was not seen.",
    )
    .option("--wait <seconds>", "how long to wait at most", "20");
  return withJson(command).action((options: SelftestOptions) =>
    asRoot(cli, options, "the self-test", () => runSelftest(cli, options)),
  );
}

async function runSelftest(cli: Cli, options: SelftestOptions): Promise<Answered> {
  const seconds = /^\d{1,3}$/.test(options.wait) ? Number(options.wait) : 0;
  if (seconds < 1 || seconds > 120) return refuse("invalid", EXIT.usage, "--wait must be between 1 and 120 seconds");
  const self = ownIdentity(cli);
  if (!self.ok) return self;
  const marked = await openLoopback();
  if (!marked.ok) return marked;
  try {
    const { port } = marked.value;
    const marker = `selftest-${newId(cli.clock.nowMs())}`;
    const asked = await askDaemon(
      cli,
      "selftest",
      { marker, process: self.value, port, waitMs: seconds * 1000 },
      seconds * 1000 + 10_000,
    );
    if (!asked.ok) return asked;
    const { checks } = asked.value;
    const passed = checks.length > 0 && checks.every((check) => check.passed);
    const paint = paintOf(cli);
    const rows = checks.map((check) => [
      check.name,
      check.passed ? paint("seen", "green") : paint("NOT SEEN", "red"),
      milliseconds(check.tookMs),
      printable(check.detail, 400),
    ]);
    const end = passed
      ? "The daemon sees this host.\n"
      : "The daemon does not see everything: sudo algo-monitor doctor, and sudo journalctl -u algo-monitor -n 50\n";
    return ok({
      json: { passed, marker, checks },
      text: `${table(["CHECK", "RESULT", "AFTER", "DETAIL"], rows, cli.columns)}${end}`,
      exit: passed ? EXIT.ok : EXIT.failed,
    });
  } finally {
    marked.value.close();
  }
}

/** Field 22 of /proc/self/stat; the name before it may hold spaces and brackets, so counting starts behind the last `)`. */
function ownIdentity(cli: Cli): Result<ProcessRef, CommandFault> {
  try {
    const stat = readFileSync(`${cli.procRoot}/self/stat`, "utf8");
    const startedAtTicks = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19]);
    if (Number.isSafeInteger(startedAtTicks)) return ok({ pid: cli.pid, startedAtTicks });
  } catch (thrown) {
    return refuse("io", EXIT.failed, `this process cannot read its own start time: ${messageOf(thrown)}`);
  }
  return refuse("invalid", EXIT.failed, "this process cannot read its own start time");
}

async function openLoopback(): Promise<Result<{ readonly port: number; close(): void }, CommandFault>> {
  try {
    const listener = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data: () => undefined } });
    const client = await Bun.connect({ hostname: "127.0.0.1", port: listener.port, socket: { data: () => undefined } });
    const close = (): void => {
      client.terminate();
      listener.stop(true);
    };
    return ok({ port: listener.port, close });
  } catch (thrown) {
    return refuse(
      "io",
      EXIT.failed,
      `no connection on 127.0.0.1 could be made: ${messageOf(thrown)}`,
      "is the loopback interface up? ip link show lo",
    );
  }
}
