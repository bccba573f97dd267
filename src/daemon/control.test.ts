import { afterEach, describe, expect, test } from "bun:test";
import { existsSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Caller, Handlers } from "../core/control.ts";
import { METHOD_NAMES } from "../core/control_wire.ts";
import { ok } from "../core/result.ts";
import { handlersFixture } from "./control.fixture.ts";
import { type ControlServerOptions, startControlServer } from "./control.ts";
import { cleanUp, request, scratch, serve, talk } from "./control_client.fixture.ts";

afterEach(cleanUp);

const ANSWERS: readonly (readonly [string, string, unknown])[] = [
  [
    "answers a question by its id",
    request("version", {}, 7),
    { id: 7, ok: true, result: { version: "0.1.0", commit: "abc1234" } },
  ],
  [
    "takes a request without params as one with none",
    '{"id":1,"method":"version"}\n',
    { id: 1, ok: true, result: { version: "0.1.0", commit: "abc1234" } },
  ],
  [
    "takes a line that ends in CRLF",
    '{"id":1,"method":"version"}\r\n',
    { id: 1, ok: true, result: { version: "0.1.0", commit: "abc1234" } },
  ],
  [
    "hands a handler's fault on as it is",
    request("set_alert_status", { id: "nothing", status: "resolved" }),
    fault("gone", "no alert has the id nothing"),
  ],
  ["refuses what is not JSON", "hello\n", fault("invalid", "the line is not JSON", null)],
  ["refuses an empty line", "\n", fault("invalid", "the line is not JSON", null)],
  ["refuses a list", "[1]\n", fault("invalid", "request must be an object", null)],
  [
    "refuses an unknown method and keeps the id",
    request("exec"),
    fault("invalid", `request.method must be one of ${METHOD_NAMES.join(", ")}`),
  ],
  [
    "refuses a method named like a part of every object",
    request("constructor"),
    fault("invalid", `request.method must be one of ${METHOD_NAMES.join(", ")}`),
  ],
  [
    "refuses an unknown key of the request",
    '{"id":1,"method":"version","uid":0}\n',
    fault("invalid", 'request has an unknown key "uid"'),
  ],
  [
    "refuses __proto__ as a key",
    '{"id":1,"method":"pause","params":{"__proto__":{"minutes":1}}}\n',
    fault("invalid", 'params has an unknown key "__proto__"'),
  ],
  [
    "refuses an unknown param",
    request("status", { verbose: true }),
    fault("invalid", 'params has an unknown key "verbose"'),
  ],
  ["refuses a missing param", request("pause", { reason: "x" }), fault("invalid", "params.minutes is missing")],
  [
    "refuses a pause of nothing",
    request("pause", { minutes: 0, reason: "x" }),
    fault("invalid", "params.minutes must be between 1 and 1440"),
  ],
  [
    "refuses a pause that never ends",
    request("pause", { minutes: 1e9, reason: "x" }),
    fault("invalid", "params.minutes must be between 1 and 1440"),
  ],
  [
    "refuses half a minute",
    request("pause", { minutes: 0.5, reason: "x" }),
    fault("invalid", "params.minutes must be a whole number"),
  ],
  [
    "refuses a pause without a reason",
    request("pause", { minutes: 5, reason: "" }),
    fault("invalid", "params.reason must not be empty"),
  ],
  [
    "refuses an unknown scanner",
    request("scan", { scanner: "files" }),
    fault("invalid", "params.scanner must be one of processes, network, filesystem, sessions, host"),
  ],
  [
    "refuses trust in nothing",
    request("trust", { reason: "x" }),
    fault("invalid", "params needs exactly one of alertId and path"),
  ],
  [
    "refuses trust in two things at once",
    request("trust", { reason: "x", alertId: "a", path: "/b" }),
    fault("invalid", "params needs exactly one of alertId and path"),
  ],
  [
    "refuses trust in a relative path",
    request("trust", { reason: "x", path: "bin/x" }),
    fault("invalid", "params.path must be an absolute path"),
  ],
  [
    "refuses a path with a NUL",
    request("trust", { reason: "x", path: "/bin/x\0y" }),
    fault("invalid", "params.path must not contain a NUL"),
  ],
  [
    "refuses trust in a path with an end",
    request("trust", { reason: "x", path: "/bin/x", until: "2026-01-01" }),
    fault("invalid", "params.until goes with alertId only"),
  ],
  [
    "refuses an unknown status",
    request("set_alert_status", { id: "a", status: "gone" }),
    fault("invalid", "params.status must be one of new, acknowledged, resolved, false-positive"),
  ],
];

function fault(kind: string, message: string, id: number | null = 1): unknown {
  return { id, ok: false, fault: { kind, message } };
}

describe("one line in, one line out", () => {
  for (const [name, line, expected] of ANSWERS) {
    test(name, async () => {
      const { path } = await serve();
      const client = await talk(path);
      client.send(line);
      expect(await client.line()).toEqual(expected);
    });
  }
});

describe("the socket", () => {
  test("is reachable by root only", async () => {
    const { path } = await serve();
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  test("does not change the umask of the daemon", async () => {
    const before = process.umask();
    await serve();
    expect(process.umask()).toBe(before);
  });

  test("takes over from a daemon that died", async () => {
    const path = scratch();
    const dead = Bun.spawn(
      [
        process.execPath,
        "-e",
        `Bun.listen({unix:${JSON.stringify(path)},socket:{data(){}}});console.log("up");setInterval(()=>{},1000)`,
      ],
      { stdout: "pipe" },
    );
    await dead.stdout.getReader().read();
    dead.kill(9);
    await dead.exited;
    expect(existsSync(path)).toBe(true);
    await serve({ path });
    const client = await talk(path);
    client.send(request("version"));
    expect(await client.line()).toMatchObject({ ok: true });
  });

  test("does not take over from a daemon that answers", async () => {
    const { path } = await serve();
    const second = await startControlServer({ path, handlers: handlersFixture(), onFault: () => undefined });
    expect(second).toMatchObject({
      ok: false,
      fault: { kind: "limit", message: `another algo-monitor answers on ${path}` },
    });
    const client = await talk(path);
    client.send(request("version"));
    expect(await client.line()).toMatchObject({ ok: true });
  });

  test("does not remove a file that is no socket", async () => {
    const path = scratch();
    writeFileSync(path, "precious");
    const started = await startControlServer({ path, handlers: handlersFixture(), onFault: () => undefined });
    expect(started).toMatchObject({ ok: false, fault: { kind: "invalid" } });
    expect(await Bun.file(path).text()).toBe("precious");
  });

  test("says what is wrong when its folder is missing", async () => {
    const started = await startControlServer({
      path: join(scratch(), "no", "x.sock"),
      handlers: handlersFixture(),
      onFault: () => undefined,
    });
    expect(started).toMatchObject({ ok: false, fault: { kind: "io" } });
  });

  test("is gone after stop", async () => {
    const { path, server } = await serve();
    await server.stop();
    expect(existsSync(path)).toBe(false);
  });
});

describe("who asks", () => {
  async function callerOf(
    over: Partial<ControlServerOptions>,
    line: string,
  ): Promise<{ caller: Caller | undefined; answer: unknown }> {
    let caller: Caller | undefined;
    const handlers: Handlers = handlersFixture({
      version: async (_params, who) => {
        caller = who;
        return ok({ version: "1", commit: "c" });
      },
    });
    const { path } = await serve({ handlers, ...over });
    const client = await talk(path);
    client.send(line);
    return { answer: await client.line(), caller };
  }

  test("is who the client names where the kernel was not asked", async () => {
    const { caller } = await callerOf({}, '{"id":1,"method":"version","user":"alice","pid":77}\n');
    expect(caller).toEqual({ uid: 0, pid: 77, user: "alice" });
  });

  test("is the pid that the kernel names, whatever the client says", async () => {
    const { caller } = await callerOf(
      { peerCredentials: () => ({ uid: 0, pid: 4711 }) },
      '{"id":1,"method":"version","user":"alice","pid":77}\n',
    );
    expect(caller).toEqual({ uid: 0, pid: 4711, user: "alice" });
  });

  test("is refused without root, before a word is read", async () => {
    const { caller, answer } = await callerOf({ peerCredentials: () => ({ uid: 1000, pid: 4711 }) }, "");
    expect(answer).toEqual({
      id: null,
      ok: false,
      fault: { kind: "denied", message: "uid 1000 may not ask algo-monitor", remedy: "use sudo" },
    });
    expect(caller).toBeUndefined();
  });

  test("is asked of the kernel by a real descriptor", async () => {
    let seen = -1;
    const peerCredentials = (fd: number) => {
      seen = fd;
      return { uid: 0, pid: 1 };
    };
    await callerOf({ peerCredentials }, request("version"));
    expect(seen).toBeGreaterThan(2);
  });
});

describe("a handler that throws", () => {
  test("is our bug: told to the client and to the daemon, and the socket lives on", async () => {
    const handlers = handlersFixture({ status: () => Promise.reject(new Error("boom")) });
    const { path, faults } = await serve({ handlers });
    const client = await talk(path);
    client.send(request("status") + request("version", {}, 2));
    expect(await client.line()).toMatchObject({
      id: 1,
      ok: false,
      fault: { kind: "io", message: "algo-monitor failed at status: boom" },
    });
    expect(await client.line()).toMatchObject({ id: 2, ok: true });
    expect(faults).toEqual(["algo-monitor failed at status: boom"]);
  });

  test("may also throw at once", async () => {
    const handlers = handlersFixture({
      status: () => {
        throw new Error("boom");
      },
    });
    const { path } = await serve({ handlers });
    const client = await talk(path);
    client.send(request("status"));
    expect(await client.line()).toMatchObject({ ok: false });
  });
});

describe("bounds", () => {
  test("answers come in the order of the questions, one at a time", async () => {
    let underWay = 0;
    let most = 0;
    const handlers = handlersFixture({
      version: async () => {
        most = Math.max(most, ++underWay);
        await Bun.sleep(2);
        underWay--;
        return ok({ version: "1", commit: "c" });
      },
    });
    const { path } = await serve({ handlers });
    const client = await talk(path);
    client.send(Array.from({ length: 20 }, (_, index) => request("version", {}, index)).join(""));
    for (let index = 0; index < 20; index++) expect(await client.line()).toMatchObject({ id: index });
    expect(most).toBe(1);
  });

  test("a line may arrive in pieces of one byte", async () => {
    const { path } = await serve();
    const client = await talk(path);
    for (const byte of new TextEncoder().encode('{"id":1,"method":"version","user":"älice"}\n'))
      client.send(Uint8Array.of(byte));
    expect(await client.line()).toMatchObject({ id: 1, ok: true });
  });

  test("a line of exactly the bound is read, one byte more closes the connection with the reason", async () => {
    const line = request("version").trimEnd();
    const { path, server } = await serve({ limits: { lineBytesMax: line.length } });
    const client = await talk(path);
    client.send(`${line}\n`);
    expect(await client.line()).toMatchObject({ ok: true });
    client.send(`${line} \n`);
    expect(await client.line()).toMatchObject({
      ok: false,
      fault: { kind: "limit", message: `connection closed: a line is longer than ${line.length} bytes` },
    });
    await client.closed;
    expect(server.status()).toMatchObject({ dropped: 1, clients: 0 });
  });

  test("a line that never ends is cut off at 1 MiB", async () => {
    const { path } = await serve();
    const client = await talk(path);
    client.send(new Uint8Array(1024 * 1024 + 1).fill(0x20));
    expect(await client.line()).toMatchObject({ ok: false, fault: { kind: "limit" } });
    await client.closed;
  });

  test("a client too many is turned away with the reason, and one leaving makes room", async () => {
    const { path, server } = await serve({ limits: { clientsMax: 2 } });
    const first = await talk(path);
    const second = await talk(path);
    const third = await talk(path);
    expect(await third.line()).toMatchObject({ fault: { message: "2 clients are connected already" } });
    await third.closed;
    first.end();
    await first.closed;
    second.send(request("version"));
    await second.line();
    const fourth = await talk(path);
    fourth.send(request("version"));
    expect(await fourth.line()).toMatchObject({ ok: true });
    expect(server.status()).toMatchObject({ refused: 1 });
  });

  test("a silent client is dropped, one whose question is under way is not", async () => {
    const gate = Promise.withResolvers<void>();
    const handlers = handlersFixture({
      version: async () => {
        await gate.promise;
        return ok({ version: "1", commit: "c" });
      },
    });
    const { path, server } = await serve({ handlers, limits: { idleMs: 100 } });
    const patient = await talk(path);
    patient.send(request("version"));
    const silent = await talk(path);
    silent.send('{"id":1,');
    await silent.closed;
    expect(server.status()).toMatchObject({ dropped: 1, clients: 1 });
    gate.resolve();
    expect(await patient.line()).toMatchObject({ ok: true });
  });

  test("a client that asks and never reads is dropped at the bound", async () => {
    const handlers = handlersFixture({ version: async () => ok({ version: "x".repeat(300_000), commit: "c" }) });
    const { path, server } = await serve({ handlers, limits: { unreadBytesMax: 1_000_000 } });
    const client = await talk(path);
    client.pause();
    client.send(Array.from({ length: 30 }, () => request("version")).join(""));
    while (server.status().dropped === 0) await Bun.sleep(5);
    expect(server.status().clients).toBe(0);
  });

  test("too many questions at once close the connection", async () => {
    const handlers = handlersFixture({ version: () => new Promise(() => undefined) });
    const { path } = await serve({ handlers, limits: { waitingMax: 4 } });
    const client = await talk(path);
    client.send(request("version").repeat(10));
    expect(await client.line()).toMatchObject({
      fault: { message: "connection closed: more than 4 requests are waiting" },
    });
    await client.closed;
  });

  test("a client that talks nonsense is dropped after eight lines", async () => {
    const { path, server } = await serve();
    const client = await talk(path);
    client.send("GET / HTTP/1.1\n".repeat(20));
    await client.closed;
    expect(server.status()).toMatchObject({ malformed: 8, dropped: 1 });
  });

  test("an answer with a bigint is sent as text", async () => {
    const handlers = handlersFixture({
      version: async () => ok({ version: "1", commit: "c", cookie: 12345678901234567890n }),
    });
    const { path } = await serve({ handlers });
    const client = await talk(path);
    client.send(request("version"));
    expect(await client.line()).toMatchObject({ result: { cookie: "12345678901234567890" } });
  });
});
