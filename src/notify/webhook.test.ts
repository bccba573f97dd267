// Against a real HTTPS server on loopback whose certificate only an authority of ours vouches for.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import type { Notice } from "../core/notice.ts";
import { type FakeClock, fakeClock, findingFixture, killFixture, outcomeFixture } from "../core/nouns.fixture.ts";
import type { Fault } from "../core/result.ts";
import { noticeOf } from "./messages.ts";
import type { Output } from "./output.ts";
import { type WebhookSettings, webhookOutput } from "./webhook.ts";

const SECRET = "s3cret of the site";
const KEY_IN_PATH = "T0KEN-IN-PATH";

interface Seen {
  readonly path: string;
  readonly headers: Record<string, string>;
  readonly body: string;
}

let keys: string;
let home: string;
let clock: FakeClock;
let seen: Seen[];
let answers: (() => Response | Promise<Response>)[];
let server: ReturnType<typeof serve>;
let faults: { readonly fault: Fault; readonly phase: string }[];
let opened: Output[];

beforeAll(async () => {
  keys = mkdtempSync(`${tmpdir()}/algo-webhook-keys-`);
  const openssl = async (...argv: string[]) => {
    const child = Bun.spawn(["openssl", ...argv], { cwd: keys, stdout: "ignore", stderr: "pipe" });
    if ((await child.exited) !== 0) throw new Error(await new Response(child.stderr).text());
  };
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
  await openssl("req", "-x509", ...key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=Authority of a test");
  await openssl("req", ...key, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=localhost");
  writeFileSync(`${keys}/names`, "subjectAltName=DNS:localhost,IP:127.0.0.1\n");
  const signed = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "names"];
  await openssl("x509", "-req", "-in", "server.csr", ...signed, "-out", "server.pem");
});
afterAll(() => rmSync(keys, { recursive: true, force: true }));

beforeEach(() => {
  home = mkdtempSync(`${tmpdir()}/algo-webhook-`);
  clock = fakeClock();
  [seen, answers, faults, opened] = [[], [], [], []];
  server = serve();
});
afterEach(async () => {
  for (const output of opened) output.close();
  await server.stop(true);
  rmSync(home, { recursive: true, force: true });
});

function serve() {
  return Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    tls: { key: readFileSync(`${keys}/server.key`, "utf8"), cert: readFileSync(`${keys}/server.pem`, "utf8") },
    fetch: async (request) => {
      const path = new URL(request.url).pathname;
      seen.push({ path, headers: Object.fromEntries(request.headers), body: await request.text() });
      return (answers.shift() ?? (() => new Response("thanks")))();
    },
  });
}

function webhook(
  overrides: Partial<WebhookSettings> = {},
  more: { timeoutMs?: number; authorityFiles?: string[] } = {},
) {
  const settings: WebhookSettings = {
    url: `https://localhost:${server.port}/${KEY_IN_PATH}`,
    secret: SECRET,
    minimumLevel: "WARNING",
    cooldownMs: 300_000,
    perHour: 100,
    ...overrides,
  };
  const output = webhookOutput({
    clock,
    settings: () => settings,
    directory: `${home}/spool`,
    hostName: "guarded",
    version: "0.2.0",
    onFault: (fault, phase) => faults.push({ fault, phase }),
    authorityFiles: [`${keys}/none.pem`, `${keys}/ca.pem`],
    random: () => 1,
    ...more,
  });
  opened.push(output);
  return output;
}

function notice(message: string, overrides: Partial<Notice> = {}): Notice {
  return { kind: "finding", severity: "WARNING", atMs: clock.nowMs(), message, fields: {}, ...overrides };
}

function kill(): Notice {
  const finding = findingFixture();
  return noticeOf({ finding, alertId: finding.id, count: 1, decision: killFixture(), outcome: outcomeFixture() });
}

async function until(condition: () => boolean): Promise<void> {
  for (let turn = 0; turn < 2_000 && !condition(); turn++) await Bun.sleep(5);
  expect(condition()).toBeTrue();
}

const settled = (output: Output) => until(() => output.status?.().waiting === 0);
const messages = () => seen.map(({ body }) => String(JSON.parse(body).message));

describe("a delivery", () => {
  test("carries the envelope, its id, its time and a signature that openssl agrees with", async () => {
    const output = webhook();
    expect(output.send(kill()).ok).toBeTrue();
    await settled(output);
    const [one] = seen;
    const timestamp = one?.headers["x-algo-monitor-timestamp"] ?? "";
    expect(one?.headers).toMatchObject({
      "content-type": "application/json",
      "user-agent": "algo-monitor/0.2.0",
      "x-algo-monitor-id": JSON.parse(one?.body ?? "").algo_monitor.message_id,
    });
    expect(timestamp).toBe(String(clock.nowMs() / 1000));
    const digest = Bun.spawnSync(["openssl", "dgst", "-sha256", "-hmac", SECRET], {
      stdin: Buffer.from(`${timestamp}.${one?.body}`),
    });
    expect(one?.headers["x-algo-monitor-signature"]).toBe(
      `sha256=${digest.stdout.toString().trim().split(" ").at(-1)}`,
    );
    expect(output.status?.()).toEqual({ sent: 1, failed: 0, waiting: 0, heldBack: 0 });
  });

  test("without a secret has no signature", async () => {
    const output = webhookOutput({
      clock,
      settings: () => ({ url: server.url.href, minimumLevel: "INFO", cooldownMs: 0, perHour: 100 }),
      directory: `${home}/spool`,
      hostName: "guarded",
      version: "0.2.0",
      onFault: () => undefined,
      authorityFiles: [`${keys}/ca.pem`],
    });
    opened.push(output);
    output.send(notice("x"));
    await settled(output);
    expect(Object.keys(seen[0]?.headers ?? {})).not.toContain("x-algo-monitor-signature");
  });

  test("keeps order and has one request on its way at a time", async () => {
    let together = 0;
    let most = 0;
    const slow = async () => {
      together++;
      most = Math.max(most, together);
      await Bun.sleep(3);
      together--;
      return new Response();
    };
    answers = Array.from({ length: 20 }, () => slow);
    const output = webhook();
    for (let index = 0; index < 20; index++) output.send(notice(`n${index}`));
    await settled(output);
    expect(messages()).toEqual(Array.from({ length: 20 }, (_, index) => `n${index}`));
    expect(most).toBe(1);
  });

  test("is summed up within a cooldown, as every output off the host", async () => {
    const output = webhook();
    for (let index = 0; index < 3; index++) output.send(notice("x", { foldKey: "k" }));
    await settled(output);
    clock.advance(300_000);
    output.maintain();
    await until(() => seen.length === 2);
    expect(messages()[1]).toContain("2 times since");
    expect(output.status?.().heldBack).toBe(2);
  });
});

const saying =
  (status: number, headers: Record<string, string> = {}) =>
  () =>
    new Response("no", { status, headers });

describe("an answer", () => {
  const refusals: readonly number[] = [400, 401, 403, 404, 410, 413, 422];
  for (const status of refusals) {
    test(`${status} is a refusal: dropped, told once, and the next one is tried`, async () => {
      answers = [saying(status), saying(status)];
      const output = webhook();
      for (const text of ["a", "b", "c"]) output.send(notice(text));
      await settled(output);
      expect(messages()).toEqual(["a", "b", "c"]);
      expect(output.status?.()).toMatchObject({ sent: 1, failed: 2 });
      expect(faults.map(({ phase }) => phase)).toEqual(["begins", "ends"]);
      expect(faults[0]?.fault.message).toContain(`it answered ${status}`);
    });
  }

  const retried: readonly [string, () => Response, number][] = [
    ["500 is tried again after a second", saying(500), 1_000],
    ["503 is tried again after a second", saying(503), 1_000],
    ["408 is tried again after a second", saying(408), 1_000],
    ["429 is tried again when it says so, in seconds", saying(429, { "retry-after": "30" }), 30_000],
    [
      "503 that asks for a date is tried again then",
      saying(503, { "retry-after": "Sat, 14 Mar 2026 12:01:00 GMT" }),
      60_000,
    ],
    ["429 that asks for a year waits ten minutes", saying(429, { "retry-after": "31536000" }), 600_000],
    ["429 that asks for nonsense waits a second", saying(429, { "retry-after": "soon" }), 1_000],
    ["a redirect to another host is not followed", saying(307, { location: "https://203.0.113.9/" }), 1_000],
  ];
  for (const [name, answer, waitMs] of retried) {
    test(name, async () => {
      answers = [answer];
      const output = webhook();
      output.send(notice("x"));
      await until(() => seen.length === 1 && output.status?.().lastFault !== undefined);
      clock.advance(waitMs - 1);
      output.maintain();
      await Bun.sleep(10);
      expect(seen.length).toBe(1);
      clock.advance(1);
      output.maintain();
      await settled(output);
      expect(seen[1]?.headers["x-algo-monitor-id"]).toBe(seen[0]?.headers["x-algo-monitor-id"] ?? "none");
      expect(output.status?.()).toMatchObject({ sent: 1, failed: 0 });
    });
  }

  test("that fails again and again waits longer each time, to ten minutes; it is told at the third and when it is over", async () => {
    const seconds = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600];
    answers = seconds.map((_, index) => saying(500 + index));
    const output = webhook();
    output.send(notice("x"));
    for (const [index, waitSeconds] of seconds.entries()) {
      await until(() => output.status?.().lastFault?.includes(`it answered ${500 + index}`) === true);
      clock.advance(waitSeconds * 1_000 - 1);
      output.maintain();
      await Bun.sleep(1);
      expect(seen.length).toBe(index + 1);
      clock.advance(1);
      output.maintain();
    }
    await settled(output);
    expect(seen.length).toBe(seconds.length + 1);
    expect(faults.map(({ phase }) => phase)).toEqual(["begins", "ends"]);
  });

  test("that never comes ends with the time limit and is tried again", async () => {
    answers = [() => new Promise(() => undefined)];
    const output = webhook({}, { timeoutMs: 50 });
    output.send(notice("x"));
    await until(() => output.status?.().lastFault?.includes("no answer within") === true);
    clock.advance(1_000);
    output.maintain();
    await settled(output);
    expect(seen.length).toBe(2);
  });

  test("with an endless body is done with its status", async () => {
    answers = [
      () =>
        new Response(
          new ReadableStream({
            pull: async (controller) => {
              await Bun.sleep(1);
              controller.enqueue(new Uint8Array(65_536));
            },
          }),
        ),
    ];
    const output = webhook();
    output.send(notice("x"));
    await settled(output);
    expect(output.status?.().sent).toBe(1);
  });
});

describe("what it does not say", () => {
  test("neither the secret nor the path of the address is in any fault or status", async () => {
    answers = [saying(500), saying(500), saying(500), saying(403)];
    const output = webhook();
    output.send(notice("x"));
    for (let turn = 0; turn < 200 && output.status?.().waiting !== 0; turn++) {
      clock.advance(5_000);
      output.maintain();
      await Bun.sleep(5);
    }
    const { port } = server;
    await server.stop(true);
    output.send(notice("y"));
    await until(() => output.status?.().lastFault?.includes("cannot be reached") === true);
    const said = JSON.stringify([faults, output.status?.()]);
    expect(said).toContain(`https://localhost:${port}`);
    expect(said).not.toContain(KEY_IN_PATH);
    expect(said).not.toContain(SECRET);
  });
});

describe("the certificate", () => {
  test("of an authority nobody knows is refused, and the remedy says what to do", async () => {
    const output = webhook({}, { authorityFiles: [`${keys}/none.pem`] });
    output.send(notice("x"));
    for (let turn = 0; turn < 400 && faults.length === 0; turn++) {
      clock.advance(5_000);
      output.maintain();
      await Bun.sleep(5);
    }
    expect(faults[0]?.fault.remedy).toContain("update-ca-certificates");
    expect(seen).toEqual([]);
  });
});

describe("the spool", () => {
  test("keeps what the receiver did not take over a restart, in order and with the same ids", async () => {
    answers = [saying(500)];
    const first = webhook();
    for (const text of ["a", "b", "c"]) first.send(notice(text));
    await until(() => first.status?.().lastFault !== undefined);
    // Not closed, as after SIGKILL.
    const second = webhook();
    second.maintain();
    await settled(second);
    expect(messages()).toEqual(["a", "a", "b", "c"]);
    expect(seen[0]?.headers["x-algo-monitor-id"]).toBe(seen[1]?.headers["x-algo-monitor-id"] ?? "none");
  });

  test("takes what is held back when the daemon ends", () => {
    answers = [saying(500)];
    const first = webhook();
    for (let index = 0; index < 4; index++) first.send(notice("x", { foldKey: "k" }));
    first.close();
    expect(webhook().status?.().waiting).toBe(2);
  });

  test("gives up what is older than three days", async () => {
    answers = [saying(500)];
    const output = webhook();
    output.send(notice("old"));
    await until(() => output.status?.().lastFault !== undefined);
    clock.advance(3 * 86_400_000);
    output.send(notice("new"));
    await settled(output);
    expect(messages()).toEqual(["old", "new"]);
    expect(output.status?.()).toMatchObject({ sent: 1, failed: 1 });
  });

  test("a kill is not pushed out by a thousand warnings", async () => {
    await server.stop(true);
    const output = webhook({ perHour: 10_000 });
    output.send(kill());
    for (let index = 0; index < 1_500; index++) output.send(notice(`warning ${index}`));
    expect(output.status?.().waiting).toBe(1_000);
    const spooled = readFileSync(`${home}/spool/webhook.jsonl`, "utf8");
    expect(spooled).toContain("KILLED");
    // One may be on its way already.
    expect([500, 501]).toContain(output.status?.().failed ?? 0);
  });
});
