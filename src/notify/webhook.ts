/**
 * A POST of the envelope to an https address, signed, one at a time and in order. Waits on disk until the receiver has
 * said 2xx; what it refuses for good is told once and dropped. Never blocks: `send` only appends a line to the spool.
 */
import { createHmac } from "node:crypto";
import { readFileSync } from "node:fs";
import type { Clock } from "../core/clock.ts";
import { newId } from "../core/ids.ts";
import type { Notice } from "../core/notice.ts";
import { type Fault, messageOf, ok, type Result } from "../core/result.ts";
import { type EnvelopeHost, envelopeOf } from "./envelope.ts";
import type { Output } from "./output.ts";
import { createRoute, type Route, type RouteSettings, rankOf } from "./routes.ts";
import { openSpool, type Spool, type SpoolEntry } from "./spool.ts";

export interface WebhookSettings extends RouteSettings {
  /** https, or http to this host itself: the configuration sees to it. */
  readonly url: string;
  readonly secret?: string;
}

export interface WebhookOptions extends EnvelopeHost {
  readonly clock: Clock;
  readonly settings: () => WebhookSettings | undefined;
  /** e.g. `/opt/.monitor/spool`. */
  readonly directory: string;
  readonly onFault: (fault: Fault, phase: "begins" | "ends") => void;
  /** PEM bundles of the authorities this host trusts: the first that can be read is asked when the built-in list fails. */
  readonly authorityFiles?: readonly string[];
  /** 0 up to 1. */
  readonly random?: () => number;
  readonly timeoutMs?: number;
}

const TIMEOUT_MS = 10_000;
const DELAY_MIN_MS = 1_000;
const DELAY_MAX_MS = 600_000;
/** A receiver that restarts is no fault to wake somebody for. */
const TOLD_AFTER_FAILURES = 3;
/** Older than this it is history: in the database and the logs, not in somebody's pager. */
const STALE_AFTER_MS = 3 * 86_400_000;
/** Debian, Fedora and RHEL, openSUSE, Alpine. */
const AUTHORITY_FILES: readonly string[] = [
  "/etc/ssl/certs/ca-certificates.crt",
  "/etc/pki/tls/certs/ca-bundle.crt",
  "/etc/ssl/ca-bundle.pem",
  "/etc/ssl/cert.pem",
];
const UNKNOWN_AUTHORITY: ReadonlySet<string> = new Set([
  "UNABLE_TO_GET_ISSUER_CERT",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "DEPTH_ZERO_SELF_SIGNED_CERT",
]);

type Answer =
  | { readonly kind: "delivered" }
  | { readonly kind: "refused"; readonly reason: string; readonly remedy: string }
  | { readonly kind: "later"; readonly reason: string; readonly remedy: string; readonly waitMs?: number };

interface State {
  readonly options: WebhookOptions;
  readonly route: Route;
  readonly spool: Spool;
  readonly abort: AbortController;
  busy: boolean;
  failuresInARow: number;
  dueAtMonotonicMs: number;
  usesHostAuthorities: boolean;
  isFaultTold: boolean;
  lastPut: Result<void>;
  sent: number;
  refused: number;
  lastFault: string | undefined;
}

export function webhookOutput(options: WebhookOptions): Output {
  const state: State = {
    options,
    route: createRoute({ ...options, deliver: (notice) => enqueue(state, notice) }),
    spool: openSpool({ directory: options.directory, name: "webhook" }),
    abort: new AbortController(),
    busy: false,
    failuresInARow: 0,
    dueAtMonotonicMs: Number.NEGATIVE_INFINITY,
    usesHostAuthorities: false,
    isFaultTold: false,
    lastPut: ok(undefined),
    sent: 0,
    refused: 0,
    lastFault: undefined,
  };
  return {
    name: "webhook",
    filtered: false,
    accepts: state.route.accepts,
    send: (notice) => {
      state.lastPut = ok(undefined);
      state.route.offer(notice);
      next(state);
      return state.lastPut;
    },
    maintain: () => {
      state.route.tick();
      next(state);
    },
    close: () => {
      state.route.flush();
      state.abort.abort();
      state.spool.close();
    },
    status: () => ({
      sent: state.sent,
      failed: state.refused + state.spool.dropped,
      waiting: state.spool.size,
      heldBack: state.route.heldBack,
      ...(state.lastFault === undefined ? {} : { lastFault: state.lastFault }),
    }),
  };
}

function enqueue(state: State, notice: Notice): void {
  const { clock } = state.options;
  const id = newId(clock.nowMs());
  const body = envelopeOf(notice, id, state.options);
  const put = state.spool.put({ id, atMs: clock.nowMs(), rank: rankOf(notice), body });
  if (!put.ok) state.lastPut = put;
}

/** Sends the oldest one if it is time; what it ends with starts the next. */
function next(state: State): void {
  const settings = state.options.settings();
  if (state.busy || state.abort.signal.aborted || settings === undefined) return;
  if (state.options.clock.monotonicMs() < state.dueAtMonotonicMs) return;
  const entry = fresh(state);
  if (entry === undefined) return;
  state.busy = true;
  post(state, settings, entry)
    .catch(
      (thrown: unknown): Answer => ({ kind: "later", reason: messageOf(thrown), remedy: "please report this bug" }),
    )
    .then((answer) => {
      state.busy = false;
      if (state.abort.signal.aborted) return;
      settle(state, settings, entry, answer);
      next(state);
    })
    .catch(() => undefined);
}

function fresh(state: State): SpoolEntry | undefined {
  for (let entry = state.spool.head(); entry !== undefined; entry = state.spool.head()) {
    if (state.options.clock.nowMs() - entry.atMs < STALE_AFTER_MS) return entry;
    state.spool.done(entry.id);
    state.refused++;
  }
  return undefined;
}

function settle(state: State, settings: WebhookSettings, entry: SpoolEntry, answer: Answer): void {
  const place = placeOf(settings.url);
  switch (answer.kind) {
    case "delivered":
      state.spool.done(entry.id);
      state.sent++;
      state.failuresInARow = 0;
      if (state.isFaultTold)
        state.options.onFault(
          { kind: "io", message: `${place} takes notices again; ${state.spool.size} wait` },
          "ends",
        );
      state.isFaultTold = false;
      return;
    case "refused":
      state.spool.done(entry.id);
      state.refused++;
      state.failuresInARow = 0;
      tell(state, `${place} refused a notice: ${answer.reason}; what it refuses is not sent again`, answer.remedy);
      return;
    case "later": {
      state.failuresInARow++;
      state.lastFault = `${place}: ${answer.reason}`;
      state.dueAtMonotonicMs = state.options.clock.monotonicMs() + delayMs(state, answer.waitMs);
      if (state.failuresInARow < TOLD_AFTER_FAILURES) return;
      tell(state, `${place} does not take notices: ${answer.reason}; ${state.spool.size} wait on disk`, answer.remedy);
      return;
    }
  }
}

function tell(state: State, message: string, remedy: string): void {
  state.lastFault = message;
  if (state.isFaultTold) return;
  state.isFaultTold = true;
  state.options.onFault({ kind: "io", message, remedy }, "begins");
}

/** 1 s, doubled with each failure up to 10 minutes, scattered by half so that a fleet does not come back as one. */
function delayMs(state: State, askedMs: number | undefined): number {
  const random = state.options.random ?? Math.random;
  const fullMs = Math.min(DELAY_MAX_MS, DELAY_MIN_MS * 2 ** Math.min(20, state.failuresInARow - 1));
  const scatteredMs = Math.max(DELAY_MIN_MS, fullMs * (0.5 + random() / 2));
  return Math.min(DELAY_MAX_MS, Math.max(scatteredMs, askedMs ?? 0));
}

async function post(state: State, settings: WebhookSettings, entry: SpoolEntry): Promise<Answer> {
  const first = await request(state, settings, entry);
  if (first.ok) return answerOf(first.value, state.options.clock.nowMs());
  if (state.usesHostAuthorities || !UNKNOWN_AUTHORITY.has(first.code)) return unreachableAnswer(first);
  // The runtime brings its own list of authorities; a site's own one is known to the host only.
  state.usesHostAuthorities = true;
  const second = await request(state, settings, entry);
  if (second.ok) return answerOf(second.value, state.options.clock.nowMs());
  state.usesHostAuthorities = false;
  return unreachableAnswer(second);
}

type Reply =
  | { readonly ok: true; readonly value: Response }
  | { readonly ok: false; readonly code: string; readonly reason: string };

async function request(state: State, settings: WebhookSettings, entry: SpoolEntry): Promise<Reply> {
  const timeoutMs = state.options.timeoutMs ?? TIMEOUT_MS;
  const ca = state.usesHostAuthorities ? hostAuthorities(state.options.authorityFiles ?? AUTHORITY_FILES) : undefined;
  // A timer of our own: the collector may take AbortSignal.timeout() below AbortSignal.any(), and then nothing ends it.
  const ending = new AbortController();
  const close = () => ending.abort();
  state.abort.signal.addEventListener("abort", close, { once: true });
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    ending.abort();
  }, timeoutMs);
  try {
    const response = await fetch(settings.url, {
      method: "POST",
      body: entry.body,
      headers: headersOf(state, settings, entry),
      redirect: "manual",
      keepalive: false,
      signal: ending.signal,
      ...(ca === undefined ? {} : { tls: { ca } }),
    });
    // What it says besides its status is nobody's business, and may be endless.
    await response.body?.cancel().catch(() => undefined);
    return { ok: true, value: response };
  } catch (thrown) {
    // Never the message as it is: it may hold the address, and many addresses hold a key.
    const code = thrown instanceof Error && "code" in thrown && typeof thrown.code === "string" ? thrown.code : "";
    const name = thrown instanceof Error ? thrown.name : "failure";
    if (isLate) return { ok: false, code: "TIMEOUT", reason: `no answer within ${timeoutMs / 1000} s` };
    return { ok: false, code, reason: code === "" ? name : code };
  } finally {
    clearTimeout(timer);
    state.abort.signal.removeEventListener("abort", close);
  }
}

function headersOf(state: State, settings: WebhookSettings, entry: SpoolEntry): Record<string, string> {
  const timestamp = String(Math.floor(state.options.clock.nowMs() / 1000));
  const headers: Record<string, string> = {
    "Content-Type": "application/json",
    "User-Agent": `algo-monitor/${state.options.version}`,
    "X-Algo-Monitor-Id": entry.id,
    "X-Algo-Monitor-Timestamp": timestamp,
  };
  if (settings.secret !== undefined)
    headers["X-Algo-Monitor-Signature"] = `sha256=${signature(settings.secret, timestamp, entry.body)}`;
  return headers;
}

/** HMAC-SHA-256 over `timestamp.body`, hex: a recorded request cannot be sent again later with another time. */
function signature(secret: string, timestamp: string, body: string): string {
  return createHmac("sha256", secret).update(`${timestamp}.${body}`).digest("hex");
}

function hostAuthorities(files: readonly string[]): string | undefined {
  for (const file of files) {
    try {
      return readFileSync(file, "utf8");
    } catch {
      // Another family of distributions keeps it elsewhere.
    }
  }
  return undefined;
}

function answerOf(response: Response, nowMs: number): Answer {
  const { status } = response;
  if (status >= 200 && status < 300) return { kind: "delivered" };
  const reason = `it answered ${status}`;
  if (status >= 300 && status < 400) {
    const remedy = "put the address it redirects to into NOTIFICATIONS.webhook.url; redirects are not followed";
    return { kind: "later", reason: `${reason}, a redirect`, remedy };
  }
  const isRefusal = status >= 400 && status < 500 && status !== 408 && status !== 429;
  if (isRefusal)
    return { kind: "refused", reason, remedy: "check NOTIFICATIONS.webhook (url, secret) with the receiver" };
  const waitMs = retryAfterMs(response.headers.get("retry-after"), nowMs);
  const remedy = "look at the receiver; it is tried again by itself";
  return { kind: "later", reason, remedy, ...(waitMs === undefined ? {} : { waitMs }) };
}

/** Seconds or a date (RFC 9110, 10.2.3). */
function retryAfterMs(value: string | null, nowMs: number): number | undefined {
  if (value === null || value.trim() === "") return undefined;
  const waitMs = /^\s*\d{1,9}\s*$/.test(value) ? Number(value) * 1000 : Date.parse(value) - nowMs;
  return Number.isFinite(waitMs) && waitMs > 0 ? waitMs : undefined;
}

function unreachableAnswer(reply: { readonly code: string; readonly reason: string }): Answer {
  const remedy = UNKNOWN_AUTHORITY.has(reply.code)
    ? "add the authority of its certificate to this host (update-ca-certificates)"
    : "check name, network and firewall on the way to NOTIFICATIONS.webhook.url; it is tried again by itself";
  return { kind: "later", reason: `it cannot be reached (${reply.reason})`, remedy };
}

/** Without path and query: those often hold a key. */
function placeOf(url: string): string {
  return URL.canParse(url) ? new URL(url).origin : "the webhook";
}
