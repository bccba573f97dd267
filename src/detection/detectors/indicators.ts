/**
 * Compares connections, hosts named in argv, and digests of executables with the site's lists of indicators. What was there
 * before a list was read is compared when the list comes. Asks for digests only where a list has any.
 */
import { scopeOf } from "../../core/address.ts";
import type { EventDraft, Fields } from "../../core/nouns.ts";
import { type Process, processKey } from "../../core/process.ts";
import { connectionFields, processFields, socketRef } from "../../core/render.ts";
import type { Endpoint } from "../../core/socket.ts";
import type { HostView } from "../../core/view.ts";
import type { IndicatorHit, IndicatorSet } from "../site/indicators.ts";
import { isOpenedHere, type NewSocket, type NewSockets, ownersOf } from "../site/new_sockets.ts";
import { hostsIn } from "../words.ts";
import { type Detector, derived, ownLogSource, refsOf } from "./detector.ts";
import { createOncePerProcess } from "./new_processes.ts";
import { domainsFor } from "./site_network.ts";

export interface IndicatorsParts {
  readonly sockets: NewSockets;
  /** The lists as they stand now; another object once they were read anew. */
  readonly indicators: () => IndicatorSet;
}

/** A digest that nobody could say after so many sweeps is not waited for. */
const DIGEST_SWEEPS = 6;
const WAITING_MAX = 4_096;
const INBOUND_TOLD_MAX = 4_096;
const INBOUND_AGAIN_MS = 3_600_000;

export function createIndicatorsDetector({ sockets, indicators }: IndicatorsParts): Detector {
  const once = createOncePerProcess();
  const inboundTold = new Map<string, number>();
  let waiting = new Map<string, number>();
  let last: IndicatorSet | undefined;
  return { id: "indicators", emits: ["indicator"], sweep };

  function sweep(view: HostView): readonly EventDraft[] {
    const fresh = once.fresh(view);
    const { connections } = sockets.of(view);
    const set = indicators();
    const isNew = set !== last;
    last = set;
    if (set.size === 0) {
      waiting.clear();
      return [];
    }
    if (isNew) inboundTold.clear();
    const processes = isNew
      ? [...view.processes.values()].filter((process) => process.executable !== undefined)
      : fresh;
    return [
      ...(isNew ? [...heldConnections(view), ...connections.filter(isNobodys)] : connections).flatMap((one) =>
        connection(view, one, set),
      ),
      ...processes.flatMap((process) => named(view, process, set)),
      ...digests(view, processes, set),
    ];
  }

  function connection(view: HostView, { socket, owners }: NewSocket, set: IndicatorSet): readonly EventDraft[] {
    const remote = socket.remote;
    if (remote === undefined || scopeOf(remote.address) !== "public") return [];
    const outgoing = isOpenedHere(view, socket);
    const owner = owners[0];
    const hit = set.address(remote.address) ?? (outgoing ? nameHit(view, owner, remote, set) : undefined);
    if (hit === undefined || (!outgoing && wasTold(remote.address, view.atMs))) return [];
    const facts: Fields = {
      ...connectionFields(outgoing ? { ...socket, direction: "connected" } : { ...socket, direction: "accepted" }),
      "peer.scope": "public",
      ...(hit.type === "domain" ? { "destination.domain": hit.value } : {}),
      ...hitFields(hit),
    };
    if (owner === undefined)
      return [{ action: "indicator-connection", logsource: ownLogSource("indicator"), fields: facts }];
    const subject = { actors: refsOf(owners), relays: [], sockets: [socketRef(socket)] };
    return [derived("indicator", "indicator-connection", owner, { ...processFields(view, owner), ...facts }, subject)];
  }

  /** A stranger who comes back for each page is one visitor. */
  function wasTold(address: string, nowMs: number): boolean {
    const toldAtMs = inboundTold.get(address);
    if (toldAtMs !== undefined && Math.abs(nowMs - toldAtMs) < INBOUND_AGAIN_MS) return true;
    inboundTold.delete(address);
    if (inboundTold.size >= INBOUND_TOLD_MAX) inboundTold.delete(inboundTold.keys().next().value ?? "");
    inboundTold.set(address, nowMs);
    return false;
  }

  function digests(view: HostView, fresh: readonly Process[], set: IndicatorSet): readonly EventDraft[] {
    if (set.digests === 0) return [];
    const next: typeof waiting = new Map();
    const drafts: EventDraft[] = [];
    for (const process of [...waitingIn(view), ...fresh]) {
      const key = processKey(process.ref);
      const sweeps = (waiting.get(key) ?? 0) + 1;
      const identity = view.identityOf(process);
      if (identity === undefined) {
        if (sweeps < DIGEST_SWEEPS && next.size < WAITING_MAX) next.set(key, sweeps);
        continue;
      }
      const hit = set.sha256(identity.sha256);
      if (hit === undefined) continue;
      const fields: Fields = {
        ...processFields(view, process),
        "process.hash.sha256": identity.sha256,
        "process.package.state": identity.packageState,
        ...(identity.packageName === undefined ? {} : { "process.package.name": identity.packageName }),
        ...hitFields(hit),
      };
      drafts.push(derived("indicator", "indicator-executable", process, fields, actorOnly(process)));
    }
    waiting = next;
    return drafts;
  }

  function waitingIn(view: HostView): readonly Process[] {
    if (waiting.size === 0) return [];
    return [...view.processes.values()].filter((process) => waiting.has(processKey(process.ref)));
  }
}

/** What a name in the command line, or the one that was looked up, says about the connection it leads to. */
function nameHit(
  view: HostView,
  owner: Process | undefined,
  remote: Endpoint,
  set: IndicatorSet,
): IndicatorHit | undefined {
  if (set.domains === 0) return undefined;
  const names = owner === undefined ? [view.nameOf(remote.address) ?? ""] : domainsFor(view, owner, remote);
  for (const name of names) {
    const hit = name === "" ? undefined : set.domain(name);
    if (hit !== undefined) return hit;
  }
  return undefined;
}

/** A bare address is as often looked up or blocked as it is called: it counts where it stands as a URL, account or port. */
function named(view: HostView, process: Process, set: IndicatorSet): readonly EventDraft[] {
  if (set.domains + set.addresses === 0) return [];
  for (const host of hostsIn(process.argv)) {
    if (host.isAddress && host.form === "word") continue;
    const hit = host.isAddress ? set.address(host.host) : set.domain(host.host);
    if (hit === undefined) continue;
    const fields = {
      ...processFields(view, process),
      ...(host.isAddress ? { "destination.ip": host.host } : { "destination.domain": host.host }),
      ...hitFields(hit),
    };
    return [derived("indicator", "indicator-named", process, fields, actorOnly(process))];
  }
  return [];
}

/** Follows from an event about a file whose new content a list names. */
export function fileIndicatorDrafts(draft: EventDraft, set: IndicatorSet): readonly EventDraft[] {
  const sha256 = draft.fields["file.hash.sha256"];
  const path = draft.fields["file.path"];
  if (set.digests === 0 || typeof sha256 !== "string" || typeof path !== "string") return [];
  if (draft.logsource.service !== undefined || draft.logsource.category === "file_delete") return [];
  const hit = set.sha256(sha256);
  if (hit === undefined) return [];
  const fields = { "file.path": path, "file.hash.sha256": sha256, ...hitFields(hit) };
  return [{ action: "indicator-file", logsource: ownLogSource("indicator"), fields }];
}

/** Follows from a question for a name that a list names, whether or not anybody connects. */
export function lookupIndicatorDrafts(draft: EventDraft, set: IndicatorSet): readonly EventDraft[] {
  const name = draft.fields["dns.question.name"];
  if (set.domains === 0 || typeof name !== "string" || draft.logsource.category !== "dns_query") return [];
  const hit = set.domain(name);
  if (hit === undefined) return [];
  const fields = { ...draft.fields, "destination.domain": name, ...hitFields(hit) };
  const whom = draft.process === undefined ? {} : { process: draft.process };
  return [{ action: "indicator-lookup", logsource: ownLogSource("indicator"), fields, ...whom }];
}

function hitFields(hit: IndicatorHit): Fields {
  return {
    "indicator.type": hit.type,
    "indicator.value": hit.value,
    "indicator.list": hit.list,
    "indicator.line": hit.line,
  };
}

function actorOnly(process: Process): NonNullable<EventDraft["subject"]> {
  return { actors: [process.ref], relays: [], sockets: [] };
}

/** Those that no process holds are told when they are new: their owner may not have been met yet. */
function heldConnections(view: HostView): readonly NewSocket[] {
  const found: NewSocket[] = [];
  for (const socket of view.internetSockets()) {
    const owners = socket.remote === undefined ? [] : ownersOf(view, socket);
    if (owners.length > 0) found.push({ socket, owners });
  }
  return found;
}

function isNobodys({ owners }: NewSocket): boolean {
  return owners.length === 0;
}
