import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { SessionMemory } from "../core/session_memory.ts";
import { openSessionMemory, parseSessionMemory } from "./known_sessions.ts";

const folder = mkdtempSync(join(tmpdir(), "known-sessions-"));
afterAll(() => rmSync(folder, { recursive: true }));

const MEMORY: SessionMemory = {
  bootId: "boot",
  sessions: [
    {
      session: {
        ...{ id: "2", user: "alice", uid: 1000, source: "192.0.2.1", terminal: "pts/1", service: "sshd", type: "tty" },
        ...{ class: "user", remote: true, leaderPid: 126, startedAtMs: 1_795_184_769_656 },
      },
      leaderStartedAtTicks: 4711,
      authentication: "publickey",
    },
  ],
  networks: [{ user: "alice", networks: [{ network: "192.0.2.0/24", lastAtMs: 5 }] }],
  wtmp: { device: 1, inode: 2, offsetBytes: 384 },
};

describe("the file of known logins", () => {
  test("gives back what was saved, and is for root alone", () => {
    const path = join(folder, "a.json");
    expect(openSessionMemory(path).load()).toEqual({ ok: true, value: undefined });
    expect(openSessionMemory(path).save(MEMORY).ok).toBe(true);
    expect(openSessionMemory(path).load()).toEqual({ ok: true, value: MEMORY });
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  const DAMAGED: readonly (readonly [string, string])[] = [
    ["empty", ""],
    ["cut short", JSON.stringify({ format: 1, ...MEMORY }).slice(0, 200)],
    ["of another version", JSON.stringify({ format: 2, ...MEMORY })],
    ["of another shape", "[1,2,3]"],
  ];
  for (const [name, text] of DAMAGED)
    test(`that is ${name} is told, and may be written again`, () => {
      const path = join(folder, `${name}.json`);
      writeFileSync(path, text);
      const file = openSessionMemory(path);
      const loaded = file.load();
      expect(!loaded.ok && loaded.fault.message).toContain("learned anew");
      expect(file.save(MEMORY).ok).toBe(true);
      expect(readFileSync(path, "utf8")).toContain("publickey");
    });

  test("that is a fifo is not waited for, and a link beside it is not written through", () => {
    const path = join(folder, "fifo.json");
    Bun.spawnSync(["mkfifo", path]);
    writeFileSync(join(folder, "precious"), "mine");
    symlinkSync(join(folder, "precious"), `${path}.new`);
    const file = openSessionMemory(path);
    expect(file.load().ok).toBe(false);
    expect(file.save(MEMORY).ok).toBe(true);
    expect(readFileSync(join(folder, "precious"), "utf8")).toBe("mine");
    expect(file.load()).toEqual({ ok: true, value: MEMORY });
  });

  test("that cannot be written says so", () => {
    const saved = openSessionMemory(join(folder, "no", "such", "place.json")).save(MEMORY);
    expect(!saved.ok && saved.fault.remedy).toContain("df -h");
  });

  test("keeps the entries that are whole", () => {
    const mixed = {
      format: 1,
      ...MEMORY,
      sessions: [...MEMORY.sessions, { session: { id: 5 } }, 7],
      wtmp: { inode: -1 },
    };
    const { wtmp: _, ...rest } = MEMORY;
    expect(parseSessionMemory(JSON.stringify(mixed))).toEqual(rest);
  });
});
