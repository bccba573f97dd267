/**
 * What the watch over logins must know after a restart: a small JSON file, replaced whole. Losing it costs nothing but
 * memory: present logins count as known then, and networks are learned anew.
 */
import { fail, ok, type Result } from "../core/result.ts";
import type { Session } from "../core/session.ts";
import {
  type KnownSession,
  type LogPlace,
  NETWORKS_PER_USER_MAX,
  SESSIONS_KNOWN_MAX,
  type SeenNetwork,
  type SessionMemory,
  USERS_REMEMBERED_MAX,
  type UserNetworks,
} from "../core/session_memory.ts";
import { isCount, isObject, isText, parsedState, readStateFile, writeStateFile } from "./state_file.ts";

const FILE_BYTES_MAX = 16 * 1024 * 1024;
const FORMAT = 1;

export interface SessionMemoryFile {
  /** Undefined where there is none yet; a fault where there was one that cannot be used. */
  load(): Result<SessionMemory | undefined>;
  save(memory: SessionMemory): Result<void>;
}

export function openSessionMemory(path: string): SessionMemoryFile {
  return { load, save };

  function load(): Result<SessionMemory | undefined> {
    const read = readStateFile(path, FILE_BYTES_MAX);
    if (read === undefined) return ok(undefined);
    if ("unusable" in read) return unusable(read.unusable);
    const memory = parseSessionMemory(read.text);
    return memory === undefined ? unusable("it is damaged or of another version") : ok(memory);
  }

  function unusable(reason: string): Result<never> {
    return fail(
      "invalid",
      `${path} cannot be used: ${reason}; logins that are there now count as known, networks of users are learned anew`,
      "nothing needs to be done; it is written again at the next login",
    );
  }

  function save(memory: SessionMemory): Result<void> {
    const why = writeStateFile(path, { format: FORMAT, ...memory });
    if (why === undefined) return ok(undefined);
    return fail(
      "io",
      `${path} could not be written: ${why}; after a restart known logins may be told again`,
      "look whether the disk is full or read-only (df -h)",
    );
  }
}

/** Undefined for what this version did not write. */
export function parseSessionMemory(text: string): SessionMemory | undefined {
  const root = parsedState(text);
  if (!isObject(root) || root["format"] !== FORMAT) return undefined;
  const { bootId, sessions, networks, wtmp } = root;
  if (!isText(bootId) || !Array.isArray(sessions) || !Array.isArray(networks)) return undefined;
  const place = wtmp === undefined ? undefined : logPlace(wtmp);
  return {
    bootId,
    sessions: sessions.slice(0, SESSIONS_KNOWN_MAX).flatMap((entry) => knownSession(entry) ?? []),
    networks: networks.slice(0, USERS_REMEMBERED_MAX).flatMap((entry) => userNetworks(entry) ?? []),
    ...(place === undefined ? {} : { wtmp: place }),
  };
}

function knownSession(value: unknown): KnownSession | undefined {
  if (!isObject(value)) return undefined;
  const { leaderStartedAtTicks, authentication } = value;
  const session = sessionOf(value["session"]);
  if (session === undefined || !isCount(leaderStartedAtTicks) || !isText(authentication)) return undefined;
  return { session, leaderStartedAtTicks, authentication };
}

function sessionOf(value: unknown): Session | undefined {
  if (!isObject(value)) return undefined;
  const { id, user, uid, source, terminal, service, type, remote, leaderPid, startedAtMs } = value;
  const className = value["class"];
  if (!isText(id) || !isText(user) || !isText(source) || !isText(terminal) || !isText(service)) return undefined;
  if (!isText(type) || !isText(className) || typeof remote !== "boolean") return undefined;
  if (!isCount(uid) || !isCount(leaderPid) || !isCount(startedAtMs)) return undefined;
  return { id, user, uid, source, terminal, service, type, class: className, remote, leaderPid, startedAtMs };
}

function userNetworks(value: unknown): UserNetworks | undefined {
  if (!isObject(value) || !isText(value["user"]) || !Array.isArray(value["networks"])) return undefined;
  const networks = value["networks"].slice(0, NETWORKS_PER_USER_MAX).flatMap((entry) => seenNetwork(entry) ?? []);
  return { user: value["user"], networks };
}

function seenNetwork(value: unknown): SeenNetwork | undefined {
  if (!isObject(value)) return undefined;
  const { network, lastAtMs } = value;
  return isText(network) && isCount(lastAtMs) ? { network, lastAtMs } : undefined;
}

function logPlace(value: unknown): LogPlace | undefined {
  if (!isObject(value)) return undefined;
  const { device, inode, offsetBytes } = value;
  return isCount(device) && isCount(inode) && isCount(offsetBytes) ? { device, inode, offsetBytes } : undefined;
}
