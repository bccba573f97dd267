/** The store, opened read-only for one command; works whether the daemon runs or not. */
import type { AlertDetail, Reader } from "../store/reader.ts";
import { type Asked, asCommandFault } from "./client.ts";
import { EXIT } from "./exit.ts";
import type { Cli } from "./world.ts";

export type Alert = AlertDetail["alert"];
export type AlertFilter = NonNullable<Parameters<Reader["alerts"]>[0]>;

/** Runs `use` with an open reader and closes it, whatever happens. */
export async function withHistory<T>(cli: Pick<Cli, "paths">, use: (reader: Reader) => Asked<T>): Promise<Asked<T>> {
  // Loaded here only: most commands start without a database.
  const { openReader } = await import("../store/reader.ts");
  const opened = openReader(cli.paths.databaseFile);
  if (!opened.ok) {
    const fault = asCommandFault(opened.fault);
    // No database, or a damaged one, is not "no such alert" and not wrong usage.
    return { ok: false, fault: { ...fault, exit: fault.kind === "denied" ? EXIT.notPermitted : EXIT.failed } };
  }
  try {
    return use(opened.value);
  } finally {
    opened.value.close();
  }
}

/** A sentence for people where what they read may be incomplete; empty where it is whole. */
export function historyCaveat(reader: Reader): string {
  const left = reader.unreadableRows();
  const lines = [
    ...(reader.stale ? ["The journal of the database could not be read: the latest rows may be missing."] : []),
    ...(left === 0 ? [] : [`${left} rows were left out because they cannot be read.`]),
  ];
  return lines.map((line) => `${line}\n`).join("");
}
