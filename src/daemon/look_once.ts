/** For when no daemon runs: two sweeps by this process alone, for commands that only look. Judges and touches nothing. */
import { createConfigSource } from "../config/runtime.ts";
import { systemClock } from "../core/clock.ts";
import { pathsOf } from "../core/paths.ts";
import { ok, type Result } from "../core/result.ts";
import type { Session } from "../core/session.ts";
import { createHints } from "../detection/site/hints.ts";
import { createUsers } from "../host/users.ts";
import { readSessionsOnce } from "../sources/logins.ts";
import { createNetworkScanner } from "../sources/network.ts";
import { createProcessScanner } from "../sources/processes.ts";
import { hostContext } from "./head.ts";
import { createSite } from "./site.ts";
import { connectionsReport, type Look, processesReport, processReport } from "./views.ts";

/** Two sweeps this far apart: the second knows how busy everything is. */
const SETTLE_MS = 1_000;

/** What the command line calls; each looks anew. */
export const oneShotViews = {
  processes: async (params: Parameters<typeof processesReport>[1]) => processesReport(await lookOnce(), params),
  process: async (pid: number) => processReport(await lookOnce(), pid),
  connections: async (params: Parameters<typeof connectionsReport>[1]) => connectionsReport(await lookOnce(), params),
  sessions: async (): Promise<Result<readonly Session[]>> => ok(readSessionsOnce(createUsers())),
};

async function lookOnce(): Promise<Look> {
  const clock = systemClock;
  const paths = pathsOf(process.env);
  const { config } = createConfigSource({
    path: paths.configFile,
    lastGoodPath: paths.lastGoodConfigFile,
    clock,
  }).current();
  const site = createSite({ config: () => config, onFault: () => undefined });
  const context = hostContext({
    clock,
    users: createUsers(),
    trustedProcesses: site.trustedProcesses,
    hints: createHints(site.processes),
    onFault: () => undefined,
  });
  const processScanner = createProcessScanner(clock, process.pid);
  const networkScanner = createNetworkScanner();
  processScanner.scan();
  await Bun.sleep(SETTLE_MS);
  const processes = processScanner.scan().seen;
  const sockets = networkScanner.scan(processes.processes).seen;
  return { view: await context.update({ processes, sockets }), sockets: sockets.internet, sweptBy: "one-shot" };
}
