/**
 * Start-up and shut-down, in order, in one place. Each part that cannot start is told with its remedy and the rest
 * guards on; only a host without /proc stops the daemon.
 */
import { existsSync, mkdirSync } from "node:fs";
import type { ConfigReload } from "../config/runtime.ts";
import { systemClock } from "../core/clock.ts";
import { type Paths, pathsOf } from "../core/paths.ts";
import { socketRef } from "../core/render.ts";
import { messageOf } from "../core/result.ts";
import { VERSION } from "../core/version.ts";
import type { Reachable } from "../decision/block.ts";
import { sinceBootMs } from "../host/boot_clock.ts";
import { holds, readTable, removeTable, replaceTable } from "../host/nftables.ts";
import { peerCredentialsOf } from "../host/peer_credentials.ts";
import { defaultGateways, ownAddresses, resolvers } from "../host/routes.ts";
import { createNotifier as createServiceNotifier } from "../host/sd_notify.ts";
import { refOf } from "../host/signals.ts";
import { createUsers } from "../host/users.ts";
import { destroySockets } from "../response/disconnect.ts";
import { openBlocksFile } from "../store/known_blocks.ts";
import { openStore } from "../store/store.ts";
import { createAnnouncer } from "./announcer.ts";
import { createBlocks, type PacketFilter } from "./blocks.ts";
import { startControlServer } from "./control.ts";
import { openCrashGuard } from "./crash_guard.ts";
import { createDegradations } from "./degradations.ts";
import { createEyes, type Eyes } from "./eyes.ts";
import { createGuard, type Guard } from "./guard.ts";
import { createHandlers } from "./handlers.ts";
import { createHousekeeping } from "./housekeeping.ts";
import { createMemoryCare } from "./memory_care.ts";
import { createOperators } from "./operators.ts";
import { createOrders } from "./orders.ts";
import { createPauses } from "./pauses.ts";
import { ownProcesses, sessionOf } from "./rehearse.ts";
import { createSensorLink, type SensorLink } from "./sensor_link.ts";
import { settleLeftovers } from "./settle.ts";
import { createSite } from "./site.ts";
import { catchSignals } from "./stop_signals.ts";
import { createVoices, graphicalSessions } from "./voices.ts";

/** Programs are loaded in about a second. */
const SENSOR_START_MS_MAX = 5_000;

export interface DaemonOptions {
  /** Watch only, whatever MODE says. */
  readonly monitor: boolean;
}

/** Runs until SIGTERM or SIGINT; resolves to the exit code. */
export async function runDaemon(options: DaemonOptions): Promise<number> {
  const signals = catchSignals();
  const clock = systemClock;
  const memoryCare = createMemoryCare(clock);
  const startedAtMs = clock.nowMs();
  const paths = pathsOf(process.env);
  makeDirectories(paths);
  const service = createServiceNotifier();
  const crashGuard = openCrashGuard({ runDirectory: paths.runDirectory, sinceBootMs, version: VERSION });

  // What is in force, and the voices that tell of it.
  const users = createUsers();
  const pauses = createPauses(paths.runDirectory, clock, sinceBootMs);
  const operators = createOperators(clock, sessionOf);
  const ourselves = ownProcesses();
  let sensor: SensorLink | undefined;
  const ours = () => [process.pid, sensor?.pid()].flatMap((pid) => (pid === undefined ? [] : (refOf(pid) ?? [])));
  const own = () => [...ourselves, ...ours(), ...operators.processes()];
  const orders = createOrders({ paths, clock, users, pauses, monitorOnly: options.monitor, own, ours });
  let eyes: Eyes | undefined;
  const notifier = createVoices({
    paths,
    clock,
    orders,
    graphicalSessions: () => graphicalSessions(eyes?.sessions() ?? []),
    onFault: (...fault) => degradations.phase(...fault),
  });
  const degradations = createDegradations(clock, notifier.notify);
  const site = createSite({ config: orders.config, onFault: degradations.phase });
  const announce = createAnnouncer({ clock, orders, notify: notifier.notify, degradations });
  announce.crashes(crashGuard);

  // Memory. What a predecessor left unfinished comes before anything new, and again when a lost database is back.
  let hasLeftovers = true;
  const { databaseFile, runDirectory } = paths;
  const store = openStore({ path: databaseFile, runDir: runDirectory, clock, onFault: storeFault });
  await settleWhenDue();
  await Bun.sleep(crashGuard.startDelayMs);

  // The guard.
  eyes = createEyes({
    clock,
    paths,
    users,
    config: orders.config,
    onFault: degradations.note,
    onNotice: (message) => announce.say("INFO", message),
  });
  const beforeJudging = settleWhenDue;
  const told = { orders, store, notifier, degradations };
  sensor = createSensorLink({
    clock,
    kernel: () => guard.kernel,
    isWanted: () => orders.config().SENSOR.enabled,
    degradations,
    say: (message) => announce.say("INFO", message),
  });
  const sendToSensor = sensor.send;
  const blocks = createBlocks({
    clock,
    sinceBootMs,
    file: openBlocksFile(paths.blocksFile),
    filter: PACKET_FILTER,
    reachable: neededAddresses,
    logins: () =>
      (eyes?.sessions() ?? []).map(({ source, user }) => ({
        network: source,
        what: `where ${user} is logged in from`,
      })),
    sensorWatches: () => guard.kernel.report().watches,
    connections: () => guard.pipeline.last()?.sockets ?? [],
    cut: (connections) => destroySockets(connections.map(socketRef)).destroyed,
    onChange: () => guard.kernel.applyOrders(),
    say: (message) => announce.say("INFO", message),
    audit: (action, detail) => store.audit({ who: "algo-monitor", uid: 0, action, detail }),
    onFault: (fault, phase) => degradations.phase("blocks", fault, phase),
  });
  const guard: Guard = createGuard({
    clock,
    users,
    site,
    eyes,
    ...told,
    announce,
    crashGuard,
    beforeJudging,
    sendToSensor,
    blocked: blocks.networks,
  });
  blocks.begin();
  eyes.start();
  guard.supervisor.start();
  sensor.tick();

  // The door for operators.
  const handlers = createHandlers({
    sensor,
    clock,
    paths,
    startedAtMs,
    pauses,
    blocks,
    eyes,
    ...told,
    ...guard,
    reload,
  });
  const onFault = degradations.fault("control socket", "the guard goes on; restart the service to get the socket back");
  const control = await startControlServer({
    path: paths.controlSocket,
    handlers,
    peerCredentials: (descriptor) => {
      const peer = peerCredentialsOf(descriptor);
      if (peer !== undefined) {
        operators.note(peer.pid);
        guard.kernel.applyOrders();
      }
      return peer;
    },
    onFault,
  });
  if (!control.ok) onFault(control.fault);

  // Housekeeping.
  const watching = orders.watch(configRead);
  const housekeeping = createHousekeeping({
    clock,
    everySecond: [
      notifier.tick,
      endPause,
      site.refresh,
      blocks.tick,
      memoryCare.tick,
      () => announce.partsBack(crashGuard),
      sensor.tick,
      guard.kernel.tick,
      showStatus,
    ],
    prune: () => store.prune(orders.retention()),
    lastRoundMonotonicMs: guard.supervisor.lastRoundMonotonicMs,
    signOfLife: service.watchdog,
    onFault: degradations.fault("housekeeping", "please report this; it is tried again each second"),
  });
  housekeeping.start();
  announce.configProblems(orders.state());
  announce.ruleProblems();
  announce.started();
  // Who waits for us may rely on it: from here on the kernel has its orders, or the scans guard alone.
  await sensor.settled(SENSOR_START_MS_MAX);
  service.ready(statusLine());
  signals.onReload(reload);

  const signalName = await signals.ended;

  // Shut-down, in the opposite order.
  service.stopping(`stopping on ${signalName}`);
  housekeeping.stop();
  watching.stop();
  if (control.ok) await control.value.stop();
  await sensor.stop();
  await guard.supervisor.stop();
  await eyes.stop();
  announce.stopping(signalName);
  crashGuard.close();
  store.close();
  notifier.close();
  return 0;

  function storeFault(...[fault, phase]: Parameters<Parameters<typeof openStore>[0]["onFault"]>): void {
    if (phase === "ends") hasLeftovers = true;
    degradations.phase("store", fault, phase);
  }

  async function settleWhenDue(): Promise<void> {
    if (!hasLeftovers) return;
    hasLeftovers = false;
    for (const message of await settleLeftovers(store, clock, orders.mayAct())) announce.say("WARNING", message);
  }

  function reload(): ConfigReload {
    service.reloading();
    const read = orders.reload();
    announce.ruleProblems();
    configRead(read);
    memoryCare.afterReading();
    service.ready(statusLine());
    return read;
  }

  function configRead(read: ConfigReload): void {
    announce.configRead(read);
    guard.kernel.applyOrders();
    if (!read.changed) return;
    guard.context.relearn();
    notifier.setLevels(new Set(orders.config().LOG_LEVELS));
  }

  function endPause(): void {
    if (pauses.expire()) announce.say("WARNING", `the pause is over; the mode is ${orders.modeText()}`);
  }

  function showStatus(): void {
    service.status(statusLine());
  }

  function statusLine(): string {
    const { kills, findings } = guard.pipeline.counts;
    return `${orders.modeText()}; ${kills} killed, ${findings.ALERT} alerts since start`;
  }
}

const PACKET_FILTER: PacketFilter = { replace: replaceTable, read: readTable, remove: removeTable, holds };

/** What this host cannot do without, as it is now. */
function neededAddresses(): readonly Reachable[] {
  return [
    ...ownAddresses().map((network) => ({ network, what: "an address of this host itself" })),
    ...defaultGateways().map((network) => ({ network, what: "the default gateway" })),
    ...resolvers().map((network) => ({ network, what: "a resolver of names" })),
  ];
}

function makeDirectories(paths: Paths): void {
  for (const directory of [paths.home, paths.logsDirectory, paths.runDirectory, paths.siteRulesDirectory]) {
    try {
      if (!existsSync(directory)) mkdirSync(directory, { recursive: true, mode: 0o700 });
    } catch (thrown) {
      // Each part that needs it says so itself; this line is for the journal only.
      process.stderr.write(`<3>${directory} cannot be made: ${messageOf(thrown)}\n`);
    }
  }
}
