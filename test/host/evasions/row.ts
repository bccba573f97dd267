// What an evasion is: a shell of our own making that tries to look like something else.
import type { HardAttack, Place } from "../hard_attacks.ts";
import type { Host } from "../testhost.ts";

export interface Evasion extends HardAttack {
  /** In one sentence, what it hopes to slip through. */
  readonly hope: string;
}

type More = Partial<Omit<Evasion, "name" | "hope" | "script">>;

/** Bash of a unit. */
export function evasion(name: string, hope: string, script: Evasion["script"], more: More = {}): Evasion {
  return { name, hope, kind: "reverse", transport: "tcp", script, ...more };
}

/** A program from a file that is neither in a temporary folder nor a package's. */
export function fromFile(
  name: string,
  hope: string,
  program: string,
  content: (place: Place) => string,
  more: More = {},
): Evasion {
  const script = async (place: Place, host: Host): Promise<string> => {
    const path = `/srv/app/job-${place.port}`;
    await host.writeFile(path, `${content(place)}\n`, 0o755);
    return `exec ${program} ${path}`;
  };
  return { name, hope, kind: "reverse", transport: "tcp", script, ...more };
}

/** The same code twice: in the arguments and from a file. Code holds no single quotes. */
export function bothWays(
  name: string,
  hope: string,
  program: string,
  option: string,
  code: (place: Place) => string,
  more: More = {},
): Evasion[] {
  return [
    evasion(`${name}, inline`, hope, (place) => `exec ${program} ${option} '${code(place)}'`, more),
    fromFile(`${name}, from a file`, hope, program, code, more),
  ];
}

/** `/dev/tcp` of bash. */
export function tcp(place: Place): string {
  return `/dev/tcp/${place.attacker}/${place.port}`;
}

export function peer(place: Place): string {
  return `${place.attacker} ${place.port}`;
}

/** Where the compiled ones are. */
export const PROGRAMS = "/opt/evasions";
