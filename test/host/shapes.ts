// How processes of a host look from outside: identities, descriptors, sockets. Read by shape.py inside the host.
import { join } from "node:path";
import type { Host } from "./testhost.ts";

export interface ShapeDescriptor {
  readonly fd: number;
  readonly target: string;
  readonly mode: "r" | "w" | "rw" | "?";
  readonly tty: string;
}

export interface ShapeProcess {
  readonly pid: number;
  readonly parent: number;
  readonly start: number;
  readonly state: string;
  readonly terminal: number;
  readonly uid: number;
  readonly exe: string;
  readonly argv: readonly string[];
  readonly descriptors: readonly ShapeDescriptor[];
}

export interface Shape {
  readonly processes: readonly ShapeProcess[];
  /** Lines of `ss -tunapie`. */
  readonly sockets: readonly string[];
}

const INTERPRETER =
  /\/(ba|da|z|k|a)?sh$|busybox$|python[\d.]*$|perl[\d.]*$|ruby[\d.]*$|php[\d.]*$|lua[\d.]*$|node(js)?$|tclsh[\d.]*$|gawk$/;

const SCRIPT = "/opt/testhost/shape.py";
const written = new WeakMap<Host, Promise<void>>();

/** Puts the script into a host once; several may ask at the same time. */
async function scriptIn(host: Host): Promise<void> {
  const known = written.get(host);
  if (known !== undefined) return known;
  const writing = Bun.file(join(import.meta.dir, "shape.py"))
    .text()
    .then((text) => host.writeFile(SCRIPT, text, 0o755));
  written.set(host, writing);
  return writing;
}

/** The shape of each unit (or pid). */
export async function shapesOf(host: Host, units: readonly string[]): Promise<ReadonlyMap<string, Shape>> {
  if (units.length === 0) return new Map();
  await scriptIn(host);
  const text = await host.must(`python3 ${SCRIPT} ${units.join(" ")}`);
  return new Map(Object.entries<Shape>(JSON.parse(text)));
}

/**
 * The interpreters whose standard input was led somewhere. Units start with /dev/null on 0,
 * so in an attack this is the shell that listens to the attacker; a loop with short children has none.
 */
export function wiredProcesses(shape: Shape): ShapeProcess[] {
  return shape.processes.filter((process) => {
    const input = process.descriptors.find((descriptor) => descriptor.fd === 0);
    return (
      INTERPRETER.test(process.exe) &&
      input !== undefined &&
      /^(socket|pipe):|^\/dev\/pts\/|^\/tmp\//.test(input.target)
    );
  });
}

/** Which of the processes still live, by pid and start time. */
export async function stillAlive(host: Host, processes: readonly ShapeProcess[]): Promise<ShapeProcess[]> {
  if (processes.length === 0) return [];
  const text = await host.must(
    `for p in ${processes.map((process) => process.pid).join(" ")}; do cat /proc/$p/stat 2>/dev/null; done; true`,
  );
  const alive = new Set<string>();
  for (const line of text.split("\n").filter(Boolean)) {
    const after = line.slice(line.lastIndexOf(")") + 2).split(" ");
    if (after[0] !== "Z" && after[0] !== "X") alive.add(`${line.split(" ")[0]}:${after[19]}`);
  }
  return processes.filter((process) => alive.has(`${process.pid}:${process.start}`));
}

export function describeShape(shape: Shape): string {
  const lines: string[] = [];
  for (const process of shape.processes) {
    const head = `pid ${process.pid} ppid ${process.parent} uid ${process.uid} state ${process.state} tty ${process.terminal} exe ${process.exe}`;
    lines.push(`  ${head}`, `    argv ${JSON.stringify(process.argv)}`);
    for (const { fd, target, mode, tty } of process.descriptors) {
      lines.push(`    fd ${fd} ${mode} ${target}${tty === "" ? "" : ` (tty-index ${tty})`}`);
    }
  }
  for (const socket of shape.sockets) lines.push(`  ss ${socket}`);
  return lines.join("\n");
}
