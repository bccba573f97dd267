// Attacks the hard way: the attacker's command is on its way in the very moment of accepting (or of connecting to a bind
// shell), and what counts is whether any of it was ever obeyed: a byte of output at the attacker, an effect on the host.
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { FirstWord, Order } from "./attacker.ts";
import { type Attack, commandOf } from "./attacks.ts";
import { findingRows, severityOf } from "./findings.ts";
import type { Host } from "./testhost.ts";

const AT_ONCE = 12;
const WORKS_WITHIN_MS = 9000;
/** Longer than any hold and than two tries of a shell that connects again each second. */
const WATCH_MS = 3500;
/** Two scans and a margin: whoever still obeys then was not stopped late but not at all. */
const LATE_MS = 13_000;
const AGAIN_MS = 2500;
const POLL_MS = 50;

/** Where and as what one attack runs. Nonces are never used twice, so a late effect is not taken for another's. */
export interface Place {
  readonly port: number;
  readonly unit: string;
  readonly user: string;
  /** A folder of its own in /tmp. */
  readonly folder: string;
  readonly attacker: string;
  readonly attacker6: string;
  readonly host: string;
  readonly marker: string;
  readonly effect: string;
}

export interface HardAttack {
  /** Unique among those that run together. */
  readonly name: string;
  readonly kind: "reverse" | "bind";
  readonly transport: "tcp" | "udp" | "tls";
  /** Default: ports of the place's parity decide between root and alice. */
  readonly user?: string;
  /** Bash, run as a transient unit of the host. */
  readonly script: (place: Place, host: Host) => string | Promise<string>;
  /** Another way to start the script than as a unit: bash in the host, which must return. */
  readonly launch?: (place: Place, script: string) => string;
  /** Bash on the remote side once it runs: the request to a web server. */
  readonly remote?: (place: Place) => string;
  /** Bash in the host afterwards. */
  readonly cleanup?: (place: Place) => string;
  /** What the attacker says first. Default: a line for a shell. */
  readonly first?: (place: Place) => FirstWord;
  /** Another server at the port than one that speaks first: it must bring the command in its own way. */
  readonly server?: (place: Place) => Order;
}

export interface HardOutcome {
  readonly attack: HardAttack;
  readonly place: Place;
  readonly connected: boolean;
  /** Output of a command came back to the attacker. */
  readonly answered: boolean;
  /** The effect of a command was found on the host. */
  readonly effect: boolean;
  /** Another command was obeyed after two scans. Asked only of those that obeyed, and only where the round says so. */
  readonly obeysLater: boolean;
  readonly received: string;
  readonly error: string;
}

export function obeyed(outcome: HardOutcome): boolean {
  return outcome.answered || outcome.effect;
}

/** echo is a builtin, touch and id are programs: whatever the shell can do shows. */
export function shellCommand(place: Place): string {
  return `echo ${place.marker}-$((6*7)); touch ${place.effect}; id`;
}

export function fromCollection(attack: Attack): HardAttack {
  return {
    name: attack.id,
    kind: attack.kind,
    transport: attack.transport === "udp" ? "udp" : "tcp",
    script: (place, host) => commandOf(host, attack, place.port),
  };
}

/** Parts the runs of one host from each other. */
export interface Round {
  readonly name: string;
  readonly firstPort: number;
  readonly guarded: boolean;
  /** Ask those that obeyed again, after two scans. */
  readonly askAgain?: boolean;
}

/** Runs attacks in batches and answers what each brought its attacker. */
export async function runHard(host: Host, attacks: readonly HardAttack[], round: Round): Promise<HardOutcome[]> {
  const outcomes: HardOutcome[] = [];
  for (let first = 0; first < attacks.length; first += AT_ONCE) {
    const batch = attacks.slice(first, first + AT_ONCE);
    const places = batch.map((attack, index) => placeOf(host, attack, round.name, round.firstPort + first + index));
    const faults = await Promise.all(batch.map((attack, index) => startHard(host, attack, must(places[index]))));
    await settled(host, places, round.guarded);
    const now = batch.map((attack, index) => outcomeOf(host, attack, must(places[index]), faults[index] ?? ""));
    outcomes.push(...(round.askAgain === true ? await askedAgain(host, now) : now));
    await Promise.all(batch.map((attack, index) => endHard(host, attack, must(places[index]))));
  }
  return outcomes;
}

function must<T>(value: T | undefined): T {
  if (value === undefined) throw new Error("hard attacks: a batch lost one of its own");
  return value;
}

function placeOf(host: Host, attack: HardAttack, round: string, port: number): Place {
  return {
    port,
    unit: `hard-${port}`,
    user: attack.user ?? (port % 2 === 0 ? "root" : "alice"),
    folder: `/tmp/a${port}`,
    attacker: host.attacker.address,
    attacker6: host.attacker.address6,
    host: host.address,
    marker: `mark-${round}-${port}`,
    effect: `/var/tmp/effect-${round}-${port}`,
  };
}

/** What went wrong on our side of it, or nothing. */
async function startHard(host: Host, attack: HardAttack, place: Place): Promise<string> {
  const { attacker } = host;
  const { port } = place;
  try {
    await host.must(
      `mkdir -p ${place.folder} && chmod 777 ${place.folder} && cp /usr/bin/socat ${place.folder}/socat && chmod 777 ${place.folder}/socat`,
    );
    const script = await attack.script(place, host);
    const first = attack.first?.(place) ?? { text: `${shellCommand(place)}\n` };
    // A datagram that is read byte by byte loses the rest: after the whole line comes each byte by itself.
    if (attack.server !== undefined) attacker.order(attack.server(place));
    else if (attack.kind === "reverse") attacker.order({ do: "listen", port, transport: attack.transport, first });
    if (attack.launch !== undefined) await host.must(attack.launch(place, script));
    else await host.start(place.unit, script, { user: place.user });
    if (attack.kind === "bind") attacker.order({ do: "connect", port, address: host.address, first });
    if (attack.remote !== undefined) void attacker.exec(attack.remote(place), WATCH_MS);
    if (attack.transport === "udp" && attack.first === undefined) void byteByByte(host, place);
    return "";
  } catch (thrown) {
    return thrown instanceof Error ? thrown.message : String(thrown);
  }
}

async function byteByByte(host: Host, place: Place): Promise<void> {
  const came = await host.attacker.until(place.port, ({ connected }) => connected, WATCH_MS);
  if (came) {
    const text = `\n${shellCommand(place)}\n`;
    host.attacker.order({ do: "send", port: place.port, text, byteWise: true });
  }
}

/** Unguarded: until all were obeyed, or time is up. Guarded: a fixed time, for a silence proves nothing sooner. */
async function settled(host: Host, places: readonly Place[], guarded: boolean): Promise<void> {
  const until = Date.now() + (guarded ? WATCH_MS : WORKS_WITHIN_MS);
  while (Date.now() < until) {
    if (!guarded && places.every((place) => answeredAt(host, place) && hasEffect(host, place))) return;
    await Bun.sleep(POLL_MS);
  }
}

function answeredAt(host: Host, place: Place): boolean {
  const { received } = host.attacker.conversation(place.port);
  return received.includes(`${place.marker}-42`) || received.includes("uid=");
}

function hasEffect(host: Host, place: Place): boolean {
  return existsSync(join(host.root, place.effect));
}

function outcomeOf(host: Host, attack: HardAttack, place: Place, fault: string): HardOutcome {
  const { connected, received, error } = host.attacker.conversation(place.port);
  return {
    attack,
    place,
    connected,
    answered: answeredAt(host, place),
    effect: hasEffect(host, place),
    obeysLater: false,
    received,
    error: fault || error,
  };
}

async function askedAgain(host: Host, outcomes: readonly HardOutcome[]): Promise<HardOutcome[]> {
  const loose = outcomes.filter(obeyed);
  if (loose.length === 0) return [...outcomes];
  await Bun.sleep(LATE_MS);
  for (const { attack, place } of loose) {
    rmSync(join(host.root, place.effect), { force: true });
    const text = attack.first?.(place).text ?? `${shellCommand(place)}\n`;
    host.attacker.order({ do: "send", port: place.port, text, byteWise: attack.transport === "udp" });
  }
  await Bun.sleep(AGAIN_MS);
  return outcomes.map((outcome) => {
    const { received } = host.attacker.conversation(outcome.place.port);
    const more = received.slice(outcome.received.length).includes(`${outcome.place.marker}-42`);
    return loose.includes(outcome) ? { ...outcome, obeysLater: more || hasEffect(host, outcome.place) } : outcome;
  });
}

async function endHard(host: Host, attack: HardAttack, place: Place): Promise<void> {
  host.attacker.order({ do: "close", port: place.port });
  await host.stopUnit(place.unit);
  if (attack.cleanup !== undefined) await host.exec(attack.cleanup(place));
  await host.exec(`rm -rf ${place.folder}`);
  rmSync(join(host.root, place.effect), { force: true });
}

/** One line for people. */
export function describeOutcome(outcome: HardOutcome): string {
  const { attack, place, received, error } = outcome;
  const what = [
    outcome.connected ? "connected" : "no connection",
    outcome.answered ? "OUTPUT" : "",
    outcome.effect ? "EFFECT" : "",
    error === "" ? "" : `error ${error.slice(0, 120)}`,
    received === "" ? "" : `received ${JSON.stringify(received.slice(0, 160))}`,
  ];
  return `${attack.name} (as ${place.user}, port ${place.port}): ${what.filter(Boolean).join(", ")}`;
}

export interface Accusation {
  readonly severity: "ALERT" | "WARNING" | "INFO";
  /** `kernel at exec (direct)`, or the rule whose finding it is. */
  readonly by: string;
  readonly title: string;
}

/** The gravest finding about each attack, by its unit, its port or its command line; those that nobody accused are absent. */
export async function accusationsOf(
  host: Host,
  outcomes: readonly HardOutcome[],
): Promise<ReadonlyMap<HardOutcome, Accusation>> {
  const texts = await findingTexts(host);
  const found = new Map<HardOutcome, Accusation>();
  for (const outcome of outcomes) {
    const { port, unit } = outcome.place;
    const about = new RegExp(`"(peer|source|destination)\\.port":${port}\\b|[ :/,"']${port}\\b|\\b${unit}\\b`);
    const own = texts.filter(({ text }) => about.test(text));
    const gravest = own.find((one) => one.severity === "ALERT") ?? own.find((one) => one.severity === "WARNING");
    if (gravest !== undefined) found.set(outcome, gravest);
  }
  return found;
}

async function findingTexts(host: Host): Promise<readonly (Accusation & { readonly text: string })[]> {
  const rows = await findingRows(host, "rule_name NOT IN ('unit_started', 'unit_failed', 'unit_stopped')");
  return rows.map((row) => {
    const stage = /"kernel\.stage":"(\w+)"/.exec(row.fields)?.[1];
    const shape = /"kernel\.shape":"([\w-]+)"/.exec(row.fields)?.[1];
    const by = stage === undefined ? row.rule : `kernel at ${stage} (${shape ?? "?"})`;
    return { severity: severityOf(row), by, title: row.title, text: row.fields };
  });
}
