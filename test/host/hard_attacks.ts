// Attacks the hard way: the attacker's command is on its way in the very moment of accepting (or of connecting to a bind
// shell), and what counts is whether any of it was ever obeyed: a byte of output at the attacker, an effect on the host.
// `bun test/host/hard_attacks.ts [pattern]` runs what is in front of the product, and then against it.
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { FirstWord } from "./attacker.ts";
import { type Attack, commandOf } from "./attacks.ts";
import type { Host } from "./testhost.ts";

const AT_ONCE = 12;
const WORKS_WITHIN_MS = 9000;
/** Longer than any hold and than two tries of a shell that connects again each second. */
const WATCH_MS = 3500;
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
}

export interface HardOutcome {
  readonly attack: HardAttack;
  readonly place: Place;
  readonly connected: boolean;
  /** Output of a command came back to the attacker. */
  readonly answered: boolean;
  /** The effect of a command was found on the host. */
  readonly effect: boolean;
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

/** Runs attacks in batches and answers what each brought its attacker. `round` parts the runs of one host. */
export async function runHard(
  host: Host,
  attacks: readonly HardAttack[],
  round: { readonly name: string; readonly firstPort: number; readonly guarded: boolean },
): Promise<HardOutcome[]> {
  const outcomes: HardOutcome[] = [];
  for (let first = 0; first < attacks.length; first += AT_ONCE) {
    const batch = attacks.slice(first, first + AT_ONCE);
    const places = batch.map((attack, index) => placeOf(host, attack, round.name, round.firstPort + first + index));
    const faults = await Promise.all(batch.map((attack, index) => startHard(host, attack, must(places[index]))));
    await settled(host, places, round.guarded);
    outcomes.push(...batch.map((attack, index) => outcomeOf(host, attack, must(places[index]), faults[index] ?? "")));
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
    if (attack.kind === "reverse") attacker.order({ do: "listen", port, transport: attack.transport, first });
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
    received,
    error: fault || error,
  };
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
