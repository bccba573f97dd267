import { afterAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createLogindReader, parseLogindSession } from "./logind.ts";

const folder = mkdtempSync(join(tmpdir(), "logind-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** As systemd 252 of Debian 12 writes it for a login by ssh. */
const RECORDED = `# This is private data. Do not parse.
UID=1000
USER=alice
ACTIVE=1
IS_DISPLAY=1
STATE=active
REMOTE=1
TYPE=tty
ORIGINAL_TYPE=tty
CLASS=user
SCOPE=session-280.scope
FIFO=/run/systemd/sessions/280.ref
REMOTE_HOST=10.77.1.1
SERVICE=sshd
POSITION=0
LEADER=126
AUDIT=280
REALTIME=1795184769656950
MONOTONIC=13453874491
`;

describe("a session file of logind", () => {
  test("of a real host is read", () => {
    expect(parseLogindSession("280", RECORDED)).toEqual({
      id: "280",
      uid: 1000,
      user: "alice",
      state: "active",
      remote: true,
      remoteHost: "10.77.1.1",
      type: "tty",
      class: "user",
      terminal: "",
      seat: "",
      service: "sshd",
      leaderPid: 126,
      startedAtMs: 1_795_184_769_656,
    });
  });

  const ROWS: readonly (readonly [string, string, Partial<NonNullable<ReturnType<typeof parseLogindSession>>>])[] = [
    ["with escapes has the text they stand for", "REMOTE_HOST=a\\x20b\\\\c\n", { remoteHost: "a b\\c" }],
    ["with quotes has the text in them", 'SERVICE="gdm-password"\n', { service: "gdm-password" }],
    ["without a leader has none", "LEADER=\n", { leaderPid: 0 }],
    ["with a leader that is no number has none", "LEADER=-1\n", { leaderPid: 0 }],
    [
      "on a seat has terminal and seat",
      "TTY=tty2\nSEAT=seat0\nREMOTE=0\n",
      { terminal: "tty2", seat: "seat0", remote: false },
    ],
    ["with a very long host is cut", `REMOTE_HOST=${"h".repeat(5000)}\n`, { remoteHost: "h".repeat(1024) }],
  ];
  for (const [name, more, expected] of ROWS)
    test(name, () => expect(parseLogindSession("1", RECORDED + more)).toMatchObject(expected));

  for (const lacking of ["UID=1000\n", "USER=alice\n", "REALTIME=1795184769656950\n"])
    test(`is not understood without ${lacking.split("=")[0]}`, () =>
      expect(parseLogindSession("1", RECORDED.replace(lacking, ""))).toBeUndefined());

  test("of random text never throws", () => {
    let seed = 99;
    const next = (): number => {
      seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
      return seed >>> 16;
    };
    for (let round = 0; round < 500; round++) {
      const mixed = [...RECORDED].map((character) =>
        next() % 20 === 0 ? String.fromCharCode(next() % 300) : character,
      );
      const session = parseLogindSession("1", mixed.join(""));
      if (session !== undefined) expect(Number.isSafeInteger(session.startedAtMs + session.uid)).toBe(true);
    }
  });
});

describe("a reader of logind's directory", () => {
  const write = (directory: string, id: string, text: string): void => {
    writeFileSync(join(directory, `.#${id}`), text);
    renameSync(join(directory, `.#${id}`), join(directory, id));
  };

  test("sees sessions come, change and go, and reads nothing while nothing changes", () => {
    const directory = join(folder, "sessions");
    const reader = createLogindReader(directory, () => Date.now() + 60_000);
    expect(reader.read().sessions).toEqual([]);
    mkdirSync(directory);
    write(directory, "280", RECORDED);
    write(directory, "c1", RECORDED.replace("CLASS=user", "CLASS=greeter"));
    writeFileSync(join(directory, "280.ref"), "");
    const first = reader.read();
    expect(first.sessions.map(({ id, class: name }) => [id, name]).sort()).toEqual([
      ["280", "user"],
      ["c1", "greeter"],
    ]);
    expect(reader.read()).toBe(first);
    write(directory, "280", RECORDED.replace("active", "closing"));
    rmSync(join(directory, "c1"));
    expect(reader.read().sessions.map(({ state }) => state)).toEqual(["closing"]);
  });

  test("counts what it does not understand", () => {
    const directory = join(folder, "broken");
    mkdirSync(directory);
    write(directory, "1", "nothing of the kind");
    write(directory, "2", RECORDED);
    expect(createLogindReader(directory).read()).toMatchObject({ malformed: 1, cut: 0 });
  });
});
