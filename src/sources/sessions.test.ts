import { afterAll, describe, expect, test } from "bun:test";
import { appendFileSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Fields } from "../core/nouns.ts";
import { ok } from "../core/result.ts";
import type { SessionMemory } from "../core/session_memory.ts";
import { createLogindReader } from "../host/logind.ts";
import { createUtmpReader, createWtmpTail } from "../host/utmp.ts";
import { createAuthentications } from "./authentications.ts";
import { createSessionScanner, type SessionScanner } from "./sessions.ts";

const folder = mkdtempSync(join(tmpdir(), "sessions-"));
afterAll(() => rmSync(folder, { recursive: true }));

const START_MS = 1_795_184_769_000;
const UIDS: Readonly<Record<string, number>> = { root: 0, alice: 1000, "www-data": 33, postgres: 105, upload: 1001 };
const SHELLS: Readonly<Record<string, string>> = { "www-data": "/usr/sbin/nologin", upload: "/bin/false" };

interface Login {
  readonly id: string;
  readonly user?: string;
  readonly host?: string;
  readonly class?: string;
  readonly state?: string;
  readonly service?: string;
  readonly terminal?: string;
  readonly leader?: number;
  readonly startMs?: number;
}

/** A host of files: real readers look at them; only processes are made up. */
function createHost() {
  const root = mkdtempSync(join(folder, "host-"));
  const directory = join(root, "sessions");
  mkdirSync(directory);
  const files = { utmp: join(root, "utmp"), wtmp: join(root, "wtmp") };
  writeFileSync(files.utmp, "");
  writeFileSync(files.wtmp, "");
  const time = { nowMs: START_MS, monotonicMs: 1_000 };
  const clock = { nowMs: () => time.nowMs, monotonicMs: () => time.monotonicMs };
  const processes = new Map<number, { ticks: number; parent: number; name: string; uid: number; terminal: string }>();
  const kept: { memory: SessionMemory | undefined; bootId: string } = { memory: undefined, bootId: "boot-1" };
  let authentications = createAuthentications();
  let scanner = createScanner();

  function createScanner(): SessionScanner {
    authentications = createAuthentications();
    return createSessionScanner({
      clock,
      users: { nameOf: () => undefined, uidOf: (name) => UIDS[name] },
      bootId: kept.bootId,
      authentications,
      memory: {
        load: () => ok(kept.memory),
        save(memory) {
          kept.memory = JSON.parse(JSON.stringify(memory));
          return ok(undefined);
        },
      },
      readers: {
        logind: createLogindReader(directory, () => Date.now()),
        utmp: createUtmpReader(files.utmp, () => Date.now()),
        openWtmp: (from) => createWtmpTail(files.wtmp, from),
        leaders: {
          refOf: (pid) => {
            const found = processes.get(pid);
            return found === undefined ? undefined : { pid, startedAtTicks: found.ticks };
          },
          parentOf: (pid) => processes.get(pid)?.parent ?? 0,
          nameOf: (pid) => processes.get(pid)?.name ?? "",
          uidOf: (pid) => processes.get(pid)?.uid ?? -1,
          terminalBelow: (pid) => processes.get(pid)?.terminal ?? "",
          shellOf: (user) => SHELLS[user] ?? "/bin/bash",
        },
      },
    });
  }

  return {
    time,
    kept,
    files,
    scanner: () => scanner,
    restart: () => {
      scanner = createScanner();
    },
    /** A scan, five seconds after the one before. */
    scan(): string[] {
      time.nowMs += 5_000;
      time.monotonicMs += 5_000;
      return scanner.scan().seen.map(({ fields }) => sentence(fields));
    },
    facts(): readonly Fields[] {
      time.nowMs += 5_000;
      time.monotonicMs += 5_000;
      return scanner.scan().seen.map(({ fields }) => fields);
    },
    process(pid: number, { parent = 1, name = "sshd", uid = 0, terminal = "" } = {}): void {
      processes.set(pid, { ticks: pid * 10, parent, name, uid, terminal });
    },
    end(pid: number): void {
      processes.delete(pid);
    },
    login(login: Login): void {
      const { id, user = "alice", host = "192.0.2.1", class: name = "user", state = "active" } = login;
      const { service = "sshd", terminal = "", leader = 0, startMs = time.nowMs } = login;
      const remote = host === "" ? 0 : 1;
      const text = `UID=${UIDS[user]}\nUSER=${user}\nSTATE=${state}\nREMOTE=${remote}\nREMOTE_HOST=${host}\nTYPE=tty\nCLASS=${name}\nTTY=${terminal}\nSERVICE=${service}\nLEADER=${leader}\nREALTIME=${startMs * 1000}\n`;
      writeFileSync(join(directory, `.#${id}`), text);
      renameSync(join(directory, `.#${id}`), join(directory, id));
    },
    logout(id: string): void {
      rmSync(join(directory, id));
    },
    accepted(pid: number, user = "alice", method = "publickey", address = "192.0.2.1"): void {
      authentications.put({ pid, user, address, method, atMs: time.nowMs });
    },
    record,
  };
}

function record(kind: 7 | 8, terminal: string, user: string, host: string, pid: number, atMs: number): Uint8Array {
  const bytes = new Uint8Array(384);
  const view = new DataView(bytes.buffer);
  view.setInt16(0, kind, true);
  view.setInt32(4, pid, true);
  new TextEncoder().encodeInto(terminal, bytes.subarray(8, 40));
  new TextEncoder().encodeInto(user, bytes.subarray(44, 76));
  new TextEncoder().encodeInto(host, bytes.subarray(76, 332));
  if (/^[\d.]+$/.test(host)) bytes.set(host.split(".").map(Number), 348);
  view.setUint32(340, Math.floor(atMs / 1000), true);
  return bytes;
}

function sentence(fields: Fields): string {
  const way = `${fields["user.name"]} from ${fields["session.origin"]}: ${fields["session.access"]}`;
  return fields["session.state"] === "started" ? `in ${way}` : `out ${way} (${fields["session.lasted"]})`;
}

describe("logins", () => {
  test("that are there when the service starts for the first time are no news, their logout is", () => {
    const host = createHost();
    host.login({ id: "1", leader: 100 });
    expect(host.scan()).toEqual([]);
    expect(host.scanner().current()).toHaveLength(1);
    host.logout("1");
    expect(host.scan()).toEqual(["out alice from 192.0.2.1: sshd (10 s)"]);
  });

  test("are told once, with how the user got in and on what terminal", () => {
    const host = createHost();
    host.scan();
    host.process(126, { terminal: "pts/1" });
    host.login({ id: "2", leader: 126 });
    host.accepted(126);
    expect(host.scan()).toEqual(["in alice from 192.0.2.1: sshd by publickey on pts/1"]);
    expect(host.scan()).toEqual([]);
    expect(host.scanner().current()[0]?.terminal).toBe("pts/1");
    host.logout("2");
    expect(host.scan()).toEqual(["out alice from 192.0.2.1: sshd by publickey on pts/1 (15 s)"]);
    expect(host.scan()).toEqual([]);
  });

  test("wait one scan for sshd's word, and no longer", () => {
    const host = createHost();
    host.scan();
    host.login({ id: "2", leader: 126 });
    expect(host.scan()).toEqual([]);
    host.accepted(126);
    expect(host.scan()).toEqual(["in alice from 192.0.2.1: sshd by publickey"]);
    host.login({ id: "3", leader: 127 });
    expect(host.scan()).toEqual([]);
    expect(host.scan()).toEqual(["in alice from 192.0.2.1: sshd"]);
    host.accepted(127);
    expect(host.scan()).toEqual([]);
    expect(host.scan()).toEqual([]);
  });

  test("count sshd's word only of their own process and user", () => {
    const host = createHost();
    host.scan();
    host.process(126);
    host.login({ id: "2", leader: 126 });
    host.accepted(126, "root", "password");
    host.scan();
    expect(host.scan()).toContain("in alice from 192.0.2.1: sshd");
  });

  test("of a shared sshd below the leader's parent are recognised", () => {
    const host = createHost();
    host.scan();
    host.process(126);
    host.process(130, { parent: 126 });
    host.login({ id: "2", leader: 130 });
    host.accepted(126);
    expect(host.scan()).toEqual(["in alice from 192.0.2.1: sshd by publickey"]);
  });

  test("that utmp knows too are one", () => {
    const host = createHost();
    host.scan();
    host.process(126);
    host.login({ id: "2", leader: 126 });
    host.accepted(126);
    appendFileSync(host.files.utmp, host.record(7, "pts/1", "alice", "192.0.2.1", 126, host.time.nowMs));
    appendFileSync(host.files.wtmp, host.record(7, "pts/1", "alice", "192.0.2.1", 126, host.time.nowMs));
    expect(host.scan()).toEqual(["in alice from 192.0.2.1: sshd by publickey on pts/1"]);
    host.login({ id: "2", leader: 126, state: "closing", startMs: START_MS + 5_000 });
    appendFileSync(host.files.wtmp, host.record(8, "pts/1", "", "", 126, host.time.nowMs + 2_000));
    expect(host.scan()).toEqual(["out alice from 192.0.2.1: sshd by publickey on pts/1 (7 s)"]);
    expect(host.scan()).toEqual([]);
  });

  test("are found in utmp alone where there is no pam_systemd", () => {
    const host = createHost();
    host.scan();
    host.process(126);
    host.accepted(126);
    writeFileSync(host.files.utmp, host.record(7, "pts/1", "alice", "192.0.2.1", 126, host.time.nowMs));
    expect(host.scan()).toEqual(["in alice from 192.0.2.1: sshd by publickey on pts/1"]);
    writeFileSync(host.files.utmp, "");
    host.end(126);
    expect(host.scan()).toHaveLength(1);
  });

  test("are found by sshd's word alone where nobody else knows them, until the process ends", () => {
    const host = createHost();
    host.scan();
    host.process(126);
    host.accepted(126);
    expect(host.scan()).toEqual([]);
    expect(host.scan()).toEqual(["in alice from 192.0.2.1: sshd by publickey"]);
    expect(host.scan()).toEqual([]);
    host.end(126);
    expect(host.scan()).toEqual(["out alice from 192.0.2.1: sshd by publickey (20 s)"]);
  });

  test("stay the same one when logind comes to know of them late", () => {
    const host = createHost();
    host.scan();
    host.process(126);
    host.accepted(126);
    host.scan();
    expect(host.scan()).toHaveLength(1);
    host.login({ id: "9", leader: 126 });
    expect(host.scan()).toEqual([]);
    host.logout("9");
    host.end(126);
    expect(host.scan()).toHaveLength(1);
  });

  test("that began and ended between two scans are told with both ends, once", () => {
    const host = createHost();
    host.scan();
    host.accepted(126, "alice", "password");
    host.scan();
    expect(host.scan()).toEqual([
      "in alice from 192.0.2.1: sshd by password",
      "out alice from 192.0.2.1: sshd by password (10 s)",
    ]);
    expect(host.scan()).toEqual([]);
  });

  test("that wtmp has from beginning to end are told, with its times", () => {
    const host = createHost();
    host.scan();
    const at = host.time.nowMs;
    appendFileSync(host.files.wtmp, host.record(7, "pts/1", "alice", "192.0.2.1", 126, at));
    appendFileSync(host.files.wtmp, host.record(8, "pts/1", "", "", 126, at + 3_000));
    appendFileSync(host.files.wtmp, host.record(7, "pts/2", "alice", "tmux(9).%0", 127, at));
    appendFileSync(host.files.wtmp, host.record(8, "pts/2", "", "", 127, at + 3_000));
    host.accepted(126);
    expect(host.scan()).toEqual([
      "in alice from 192.0.2.1: sshd by publickey on pts/1",
      "out alice from 192.0.2.1: sshd by publickey on pts/1 (3 s)",
    ]);
    host.scan();
    expect(host.scan()).toEqual([]);
  });

  const NO_LOGINS: readonly (readonly [string, Login])[] = [
    ["of a greeter", { id: "c1", class: "greeter", service: "gdm-launch-environment", host: "" }],
    ["of cron", { id: "c2", class: "background", service: "crond", host: "" }],
    ["of a user's manager", { id: "c3", class: "manager", service: "systemd-user", host: "" }],
  ];
  for (const [name, login] of NO_LOGINS)
    test(`${name} are listed and not told`, () => {
      const host = createHost();
      host.scan();
      host.login(login);
      expect([...host.scan(), ...host.scan()]).toEqual([]);
      expect(host.scanner().current()).toHaveLength(1);
    });

  test("of terminal emulators are none", () => {
    const host = createHost();
    host.scan();
    host.process(500, { name: "xterm", uid: 1000 });
    host.process(501, { name: "tmux: server", uid: 1000 });
    const at = host.time.nowMs;
    const records = [
      host.record(7, "pts/5", "alice", ":0", 500, at),
      host.record(7, "pts/6", "alice", "tmux(501).%0", 501, at),
      host.record(7, "pts/7", "alice", "", 501, at),
      host.record(7, "pts/8", "alice", "192.0.2.9", 999, at), // its process is gone
    ];
    writeFileSync(host.files.utmp, Buffer.concat(records));
    expect([...host.scan(), ...host.scan()]).toEqual([]);
    expect(host.scanner().current()).toEqual([]);
  });

  test("at the console are told at once", () => {
    const host = createHost();
    host.scan();
    host.login({ id: "4", service: "login", host: "", terminal: "tty1", leader: 50 });
    expect(host.scan()).toEqual(["in alice from this host: login on tty1"]);
  });
});

describe("after a restart", () => {
  test("known logins are not told again, those that came meanwhile are", () => {
    const host = createHost();
    host.scan();
    host.process(126);
    host.login({ id: "2", leader: 126, service: "login", host: "" });
    host.process(127);
    host.accepted(127);
    host.scan();
    expect(host.scan()).toHaveLength(1);
    host.restart();
    host.login({ id: "3", service: "login", host: "", terminal: "tty2" });
    expect(host.scan()).toEqual(["in alice from this host: login on tty2"]);
    host.logout("2");
    host.end(127);
    expect(host.scan()).toHaveLength(2);
  });

  test("known logins that ended meanwhile are told to have ended", () => {
    const host = createHost();
    host.scan();
    host.login({ id: "2", service: "login", host: "", terminal: "tty1" });
    host.scan();
    host.logout("2");
    host.restart();
    expect(host.scan()).toEqual(["out alice from this host: login on tty1 (10 s)"]);
  });

  test("of the machine old logins are forgotten and new ones told", () => {
    const host = createHost();
    host.scan();
    host.login({ id: "2", service: "login", host: "", terminal: "tty1" });
    host.scan();
    host.logout("2");
    host.kept.bootId = "boot-2";
    host.restart();
    host.login({ id: "1", service: "login", host: "", terminal: "tty1" });
    expect(host.scan()).toEqual(["in alice from this host: login on tty1"]);
  });

  test("logins of the time between that wtmp has are told", () => {
    const host = createHost();
    host.scan();
    const at = host.time.nowMs;
    host.restart();
    appendFileSync(host.files.wtmp, host.record(7, "pts/1", "alice", "192.0.2.1", 126, at));
    appendFileSync(host.files.wtmp, host.record(8, "pts/1", "", "", 126, at + 65_000));
    expect(host.scan()).toEqual([
      "in alice from 192.0.2.1: login on pts/1",
      "out alice from 192.0.2.1: login on pts/1 (1 min 5 s)",
    ]);
  });
});

describe("the facts of a login", () => {
  const factsOf = (login: Login, known: readonly string[] = []): Fields => {
    const host = createHost();
    for (const [at, address] of known.entries())
      host.login({ id: `${900 + at}`, user: login.user ?? "alice", host: address });
    host.scan();
    for (const at of known.keys()) host.logout(`${900 + at}`);
    host.scan();
    host.login({ leader: 126, ...login });
    host.process(126, { terminal: login.terminal ?? "" });
    host.accepted(126, login.user);
    return host.facts()[0] ?? {};
  };
  const ROWS: readonly (readonly [string, Login, readonly string[], Fields])[] = [
    [
      "say that the first network of a user is no new one",
      { id: "1" },
      [],
      { "session.new_network": false, "session.first_remote": true, "session.network": "192.0.2.0/24" },
    ],
    [
      "say that another address of a known network is not new",
      { id: "1" },
      ["192.0.2.200"],
      { "session.new_network": false },
    ],
    [
      "say that another network is new",
      { id: "1" },
      ["198.51.100.1"],
      { "session.new_network": true, "session.first_remote": false },
    ],
    [
      "know the /64 of IPv6",
      { id: "1", host: "2001:db8:0:1::5" },
      ["2001:db8:0:1:9::1"],
      { "session.network": "2001:db8:0:1::/64", "session.new_network": false },
    ],
    ["give the address and who can be there", { id: "1" }, [], { "source.ip": "192.0.2.1", "session.scope": "public" }],
    [
      "say nothing of networks where the source is a name",
      { id: "1", host: "desk.example.org" },
      ["192.0.2.9"],
      { "session.origin": "desk.example.org", "session.new_network": false, "session.first_remote": false },
    ],
    [
      "do not learn the host itself as a network",
      { id: "1", host: "127.0.0.1" },
      ["192.0.2.9"],
      { "session.new_network": false },
    ],
    [
      "tell a service account with a terminal",
      { id: "1", user: "postgres", terminal: "pts/1" },
      [],
      { "session.service_account": true, "session.shell_disabled": false },
    ],
    [
      "tell a service account from another host",
      { id: "1", user: "www-data" },
      [],
      { "session.service_account": true, "session.shell_disabled": true },
    ],
    [
      "leave su to a service account alone",
      { id: "1", user: "postgres", service: "su-l", host: "", terminal: "pts/1" },
      [],
      { "session.service_account": false },
    ],
    [
      "leave an account for file transfer alone",
      { id: "1", user: "upload" },
      [],
      { "session.service_account": false, "session.shell_disabled": true },
    ],
    [
      "tell an account without a shell that has a terminal",
      { id: "1", user: "upload", terminal: "pts/1" },
      [],
      { "session.service_account": true },
    ],
    [
      "leave root alone",
      { id: "1", user: "root", terminal: "pts/1" },
      [],
      { "session.service_account": false, "user.id": 0 },
    ],
  ];
  for (const [name, login, known, expected] of ROWS)
    test(name, () => expect(factsOf(login, known)).toMatchObject(expected));
});

test("a scan while nobody comes or goes writes nothing", () => {
  const host = createHost();
  host.login({ id: "1", leader: 100 });
  host.scan();
  host.kept.memory = undefined;
  host.scan();
  expect(host.kept.memory).toBeUndefined();
});
