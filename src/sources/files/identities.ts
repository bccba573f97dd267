/** Which digest and package the executables of running processes have: asked of the worker once, remembered, bounded. */
import type { Executable } from "../../core/process.ts";
import type { FileIdentity } from "../../core/view.ts";
import type { IdentityWanted } from "./protocol.ts";

const KNOWN_MAX = 4096;
/** Waiting for an answer at one time. */
const ASKED_MAX = 256;
/** A file that could not be read is asked for again after this. */
const RETRY_MS = 60_000;
/** What is known is asked for again after this: the file may have been written to while nothing ran it, packages change. */
const FRESH_MS = 600_000;

interface Known {
  readonly identity: FileIdentity | undefined;
  readonly atMs: number;
}

export interface Identities {
  /** Absent until it is known; stays known while it is asked for again. */
  of(executable: Executable): FileIdentity | undefined;
  answered(wanted: IdentityWanted, identity: FileIdentity | undefined): void;
  /** The worker died: nobody answers what was asked. */
  forgetAsked(): void;
}

export function createIdentities(ask: (wanted: IdentityWanted) => boolean, monotonicMs: () => number): Identities {
  const known = new Map<string, Known>();
  const asked = new Set<string>();
  return {
    of(executable) {
      if (executable.memfd || executable.deleted) return undefined;
      const key = keyOf(executable);
      const entry = known.get(key);
      if (entry === undefined || isStale(entry)) {
        const { path, device, inode } = executable;
        if (!asked.has(key) && asked.size < ASKED_MAX && ask({ path, device, inode })) asked.add(key);
      }
      return entry?.identity;
    },
    answered(wanted, identity) {
      const key = keyOf(wanted);
      asked.delete(key);
      known.delete(key);
      known.set(key, { identity, atMs: monotonicMs() });
      const oldest = known.size > KNOWN_MAX ? known.keys().next().value : undefined;
      if (oldest !== undefined) known.delete(oldest);
    },
    forgetAsked: () => asked.clear(),
  };

  function isStale(entry: Known): boolean {
    return monotonicMs() - entry.atMs > (entry.identity === undefined ? RETRY_MS : FRESH_MS);
  }
}

function keyOf({ device, inode, path }: IdentityWanted): string {
  return `${device}:${inode}:${path}`;
}
