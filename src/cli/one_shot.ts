/** Asks the daemon for its newest sweep; where none runs this process looks at the host itself, and says so. */
import type { SweptBy } from "../core/control_views.ts";
import type { Result } from "../core/result.ts";
import { ok } from "../core/result.ts";
import { type Asked, asCommandFault } from "./client.ts";
import { EXIT } from "./exit.ts";
import type { Cli, DaemonParts, OneShotViews } from "./world.ts";
import { loadPart } from "./world.ts";

export const loadViews: DaemonParts["lookOnce"] = async () => (await import("../daemon/look_once.ts")).oneShotViews;

export async function orLook<T>(
  cli: Cli,
  asked: Asked<T>,
  look: (views: OneShotViews) => Promise<Result<T>>,
): Promise<Asked<T>> {
  if (asked.ok || asked.fault.exit !== EXIT.notRunning) return asked;
  const views = await loadPart("the scanner", cli.daemon.lookOnce);
  if (!views.ok) return { ok: false, fault: asCommandFault(views.fault) };
  const seen = await loadPart("the sweep", () => look(views.value));
  if (!seen.ok) return { ok: false, fault: asCommandFault(seen.fault) };
  return seen.value.ok ? ok(seen.value.value) : { ok: false, fault: asCommandFault(seen.value.fault) };
}

/** The line under an answer that no daemon gave; empty where one did. */
export function sweptByText(by: SweptBy): string {
  return by === "daemon"
    ? ""
    : "The daemon does not run: this command looked by itself. Start it: sudo systemctl start algo-monitor\n";
}
