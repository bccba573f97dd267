// Real reverse and bind shells in a host: payloads of the public collection, run as a unit's program, answered by the
// attacker's server. Only for hosts of testhost.ts: every address in a payload is the attacker's end of the veth.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { type Shape, type ShapeProcess, shapesOf, wiredProcesses } from "./shapes.ts";
import type { Host } from "./testhost.ts";

const SHARED = process.env["ALGO_SHARED"] ?? join(import.meta.dir, "../../../shared");
const DATA = join(SHARED, "data/reverse_shells.jsonl.gz");
const CONNECT_TIMEOUT_MS = 8000;
const OUTPUT_TIMEOUT_MS = 4000;

const attackSchema = z.object({
  id: z.string(),
  title: z.string(),
  kind: z.enum(["reverse", "bind"]),
  family: z.string(),
  form: z.enum(["shell_command", "source_file"]),
  transport: z.enum(["tcp", "udp", "app"]),
  payload: z.string(),
  interpreter_needed: z.string(),
  debian_package: z.string().nullable(),
  broken_upstream: z.array(z.string()).optional(),
});

export type Attack = z.infer<typeof attackSchema>;

export interface AttackRun {
  readonly attack: Attack;
  readonly unit: string;
  readonly port: number;
  readonly user: string;
  /** The attacker's command ran and its output came back. */
  readonly worked: boolean;
  /** Why not, where it did not. */
  readonly why: string;
}

/** Why the collection cannot be read, or undefined when it can. */
export function attackDataMissing(): string | undefined {
  return existsSync(DATA) ? undefined : `${DATA} is absent (set ALGO_SHARED to the folder that holds data/)`;
}

export function loadAttacks(): Attack[] {
  const text = new TextDecoder().decode(Bun.gunzipSync(readFileSync(DATA)));
  return text
    .split("\n")
    .filter(Boolean)
    .map((line) => attackSchema.parse(JSON.parse(line)));
}

/** The first payload of each family, direction and transport, of those that Debian has the program for. */
export function onePerFamily(attacks: readonly Attack[]): Attack[] {
  const first = new Map<string, Attack>();
  for (const attack of attacks) {
    const key = `${attack.family} ${attack.kind} ${attack.transport}`;
    if (!first.has(key) && attack.debian_package !== null) first.set(key, attack);
  }
  return [...first.values()];
}

/** Once per host: netcat variants by folder, and a stand-in for the web site that two payloads download a socat from. */
export async function prepareAttacks(host: Host): Promise<void> {
  const { attacker } = host;
  await host.must(`
    for v in openbsd traditional; do mkdir -p /opt/nc/$v; ln -sf /bin/nc.$v /opt/nc/$v/nc; done
    mkdir -p /opt/nc/busybox; ln -sf /bin/busybox /opt/nc/busybox/nc
    echo "${attacker.address} github.com" >>/etc/hosts`);
  await host.writeFile("/tmp/attacker.pem", readFileSync(attacker.certificate, "utf8"));
  await host.must("cat /tmp/attacker.pem >>/etc/ssl/certs/ca-certificates.crt");
  const socat = "/andrew-d/static-binaries/raw/master/binaries/linux/x86_64/socat";
  attacker.order({ do: "http", port: 443, tls: true, files: { [socat]: `file:${join(host.root, "usr/bin/socat")}` } });
}

/** Starts one payload and plays the attacker until the output of a first command came back. */
export async function runAttack(host: Host, attack: Attack, port: number, user: string): Promise<AttackRun> {
  const unit = `atk-${port}`;
  const failed = (why: string): AttackRun => ({ attack, unit, port, user, worked: false, why });
  const { attacker } = host;
  if (attack.kind === "reverse")
    attacker.order({ do: "listen", port, transport: attack.transport === "udp" ? "udp" : "tcp" });
  await host.start(unit, await commandOf(host, attack, port), { user });
  if (attack.kind === "bind") attacker.order({ do: "connect", port, address: host.address });
  if (!(await attacker.until(port, ({ connected, error }) => connected || error !== "", CONNECT_TIMEOUT_MS))) {
    return failed(`no connection; ${await lastWords(host, unit)}`);
  }
  if (!attacker.conversation(port).connected)
    return failed(`${attacker.conversation(port).error}; ${await lastWords(host, unit)}`);
  await Bun.sleep(400);
  if (await answers(host, port, "first", false)) return { attack, unit, port, user, worked: true, why: "" };
  if (attack.transport === "udp" && (await answers(host, port, "second", true)))
    return { attack, unit, port, user, worked: true, why: "" };
  const { closed, received } = attacker.conversation(port);
  return failed(
    `${closed ? "the connection closed" : "connected"} without output, received ${JSON.stringify(received.slice(-200))}; ${await lastWords(host, unit)}`,
  );
}

/** True when a command sent now is executed: only its computed result counts, not an echo of the input. */
export async function answers(host: Host, port: number, word: string, byteWise: boolean): Promise<boolean> {
  const marker = `mark-${word}-${port}`;
  // A program that reads bytes took one of the datagram before: the empty line ends that leftover.
  host.attacker.order({ do: "send", port, text: `${byteWise ? "\n" : ""}echo ${marker}-$((6*7))\n`, byteWise });
  return host.attacker.until(port, ({ received }) => received.includes(`${marker}-42`), OUTPUT_TIMEOUT_MS);
}

/** What a working attack left: its processes, and among them those whose input the attacker holds. */
export interface Standing {
  readonly shape: Shape;
  /** Empty for loops that run each command in a short child. */
  readonly wired: readonly ShapeProcess[];
}

export async function standingOf(host: Host, runs: readonly AttackRun[]): Promise<ReadonlyMap<AttackRun, Standing>> {
  const shapes = await shapesOf(
    host,
    runs.map((run) => run.unit),
  );
  const standing = new Map<AttackRun, Standing>();
  for (const run of runs) {
    const shape = shapes.get(run.unit) ?? { processes: [], sockets: [] };
    standing.set(run, { shape, wired: wiredProcesses(shape) });
  }
  return standing;
}

export async function endAttack(host: Host, run: AttackRun): Promise<void> {
  host.attacker.order({ do: "close", port: run.port });
  await host.stopUnit(run.unit);
}

/** Payloads share names in /tmp; each gets a folder of its own so that several can run at once. */
export async function commandOf(host: Host, attack: Attack, port: number): Promise<string> {
  const folder = `/tmp/a${port}`;
  await host.must(
    `mkdir -p ${folder} && chmod 777 ${folder} && cp /usr/bin/socat ${folder}/socat && chmod 777 ${folder}/socat`,
  );
  const filled = attack.payload
    .replaceAll("{LHOST}", host.attacker.address)
    .replaceAll("{LHOST6}", host.attacker.address6)
    .replaceAll("{LPORT}", String(port))
    .replaceAll("{SHELL}", "/bin/bash")
    .replaceAll("/tmp/", `${folder}/`);
  const path = `PATH=/opt/nc/${netcatOf(attack)}:$PATH`;
  if (attack.form === "source_file" && !filled.startsWith("python3 -c")) {
    const [file, program] = filled.startsWith("<?php") ? ["shell.php", "php"] : ["shell.py", "python3"];
    await host.writeFile(`${folder}/${file}`, filled);
    return `${program} ${folder}/${file}`;
  }
  return `${path}\n${filled}`;
}

function netcatOf(attack: Attack): "openbsd" | "traditional" | "busybox" {
  if (attack.interpreter_needed === "nc-traditional") return "traditional";
  return attack.interpreter_needed === "busybox" ? "busybox" : "openbsd";
}

async function lastWords(host: Host, unit: string): Promise<string> {
  const log = await host.exec(`journalctl -q -o cat --no-pager -n 6 -u ${unit}`);
  return `the unit's last words: ${JSON.stringify(log.stdout.trim().slice(-300))}`;
}
