// Orders to block: who is asked not to cut off which session, and what is on record of an order.
import { describe, expect, test } from "bun:test";
import type { BlockReport } from "../core/blocks.ts";
import type { Caller } from "../core/control.ts";
import { fail, ok } from "../core/result.ts";
import type { Session } from "../core/session.ts";
import type { Requester } from "./blocks.ts";
import { blockHandlers } from "./handlers_blocks.ts";

const ALICE: Caller = { uid: 0, pid: process.pid, user: "alice" };
const ORDER = { target: "203.0.113.7", minutes: 60, reason: "scans" };
const REPORT: BlockReport = {
  block: { ...ORDER, kind: "address", networks: [ORDER.target], sinceMs: 0, untilMs: 1, by: "alice" },
  replaced: false,
  means: ["packet-filter"],
  cut: 2,
  remarks: [],
};

function login(source: string, leaderPid: number, terminal = "pts/0"): Session {
  const facts = { id: source, user: "alice", uid: 1000, service: "sshd", type: "tty", class: "user", startedAtMs: 0 };
  return { ...facts, source, terminal, remote: source !== "", leaderPid };
}

interface Given {
  readonly sessions?: readonly Session[];
  readonly remotes?: readonly string[];
  readonly hasTerminal?: boolean;
  readonly refuses?: boolean;
}

function setUp({ sessions = [], remotes = [], hasTerminal = true, refuses = false }: Given) {
  const heard = { by: undefined as Requester | undefined, audited: [] as string[], said: [] as string[] };
  const handlers = blockHandlers(
    {
      blocks: {
        begin: () => undefined,
        block: async (_params, by) => {
          heard.by = by;
          return refuses ? fail("denied", "not blocked") : ok(REPORT);
        },
        unblock: () => ok({ ended: [REPORT.block], remarks: [] }),
        list: () => ({ blocks: [REPORT.block], means: [], remarks: [] }),
        networks: () => [],
        tick: () => undefined,
      },
      eyes: { sessions: () => sessions },
      remotesOf: () => remotes,
      hasTerminal: () => hasTerminal,
      say: (message) => void heard.said.push(message),
    },
    (caller, action, detail) => void heard.audited.push(`${caller.user} ${action} ${detail}`),
  );
  return { handlers, heard };
}

const OTHER = login("198.51.100.99", 1);
const MAY_BE =
  "where alice on pts/0 is logged in from, which may be you: above this terminal stands no login (tmux, screen)";
const ROWS: readonly [sentence: string, given: Given, kept: readonly string[]][] = [
  [
    "the login that stands above is the own one, others are not",
    { sessions: [login("198.51.100.20", process.ppid), OTHER] },
    ["198.51.100.20: your own session (alice on pts/0)"],
  ],
  [
    "where no login is known, a connection above is",
    { remotes: ["198.51.100.20"], sessions: [OTHER] },
    ["198.51.100.20: the other end of your own session"],
  ],
  ["in a terminal below nobody any login may be the own one", { sessions: [OTHER] }, [`198.51.100.99: ${MAY_BE}`]],
  [
    "whoever sits at the console cuts off whom they like",
    { sessions: [login("", process.ppid), OTHER] },
    [": your own session (alice on pts/0)"],
  ],
  ["a timer has no session to lose", { sessions: [OTHER], hasTerminal: false }, []],
];

describe("sessions", () => {
  test.each(ROWS)("%s", async (_sentence, given, kept) => {
    const { handlers, heard } = setUp(given);
    await handlers.block(ORDER, ALICE);
    expect(heard.by?.session.map(({ network, what }) => `${network}: ${what}`)).toEqual([...kept]);
  });
});

test("an order and its end are audited and told with who, what and why", async () => {
  const { handlers, heard } = setUp({});
  await handlers.block(ORDER, ALICE);
  await handlers.unblock({}, ALICE);
  expect(heard.audited).toEqual(["alice block 203.0.113.7 for 60 minutes: scans", "alice unblock 203.0.113.7"]);
  expect(heard.said).toEqual([
    "alice blocked 203.0.113.7 for 60 minutes (scans); 2 connections were cut; end it with: sudo algo-monitor unblock 203.0.113.7",
    "alice ended the block of 203.0.113.7: it is reachable again",
  ]);
});

test("what was refused is no record", async () => {
  const { handlers, heard } = setUp({ refuses: true });
  expect((await handlers.block(ORDER, ALICE)).ok).toBe(false);
  expect([heard.audited, heard.said]).toEqual([[], []]);
});
