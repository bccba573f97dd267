// Code without a place, a connection, children: what is stated of it, and who is not meant.
import { describe, expect, test } from "bun:test";
import { hostFixture } from "../../context/host.fixture.ts";
import type { Fields } from "../../core/nouns.ts";
import { inlineClientDetector } from "./inline_client.ts";

const talk = (text: string, inode = 1) => `tcp 10.0.0.5:4000${inode} -> 203.0.113.7:4444 inode ${inode} ${text}`;
const TALK = talk("sent 20 1000 received 30 1004");
const python = (head: string, argv = `["python3","-c","x"]`) => `pid 50 ppid 1 uid 1000 ${head}
  argv ${argv}
  fd 3 rw socket:[1]`;
const WAITED = python("waited 300 exe /usr/bin/python3.11");
const child = (ageMs: number) => `pid 51 ppid 50 uid 1000 age ${ageMs} exe /usr/bin/id`;

const ROWS: readonly [sentence: string, host: string, expected: Fields | "nothing"][] = [
  [
    "a loop that has run a command and answered",
    `${WAITED}\n  blocked 3\n${TALK}`,
    {
      "client.last_word_ours": true,
      "client.waits_for_remote": true,
      "client.child_running": false,
      "client.remote_spoke_first": false,
    },
  ],
  [
    "a loop that runs its first command",
    `${python("exe /usr/bin/python3.11")}\n${child(900)}\n${talk("sent 0 8000 received 30 1000")}`,
    {
      "client.remote_spoke_first": true,
      "client.child_running": true,
      "client.child_answers": true,
      "client.waits_for_remote": false,
    },
  ],
  [
    "one that sleeps on something else",
    `${WAITED}\n  blocked 5\n  fd 5 r pipe:[9]\n${TALK}`,
    { "client.waits_for_remote": false },
  ],
  [
    "one that was answered last",
    `${WAITED}\n${talk("sent 20 1000 received 30 900")}`,
    { "client.last_word_ours": false },
  ],
  [
    "an answer within one tick",
    `${WAITED}\n${talk("sent 20 1000 received 30 1000")}`,
    { "client.last_word_ours": true },
  ],
  ["a child older than the last word", `${WAITED}\n${child(6_000)}\n${TALK}`, { "client.child_answers": false }],
  [
    "a child long after the last word",
    `${WAITED}\n${child(10)}\n${talk("sent 20 1000 received 30 5000")}`,
    { "client.child_answers": false },
  ],
  [
    "a program in memory",
    `${python("waited 1 exe /memfd:x (deleted)", `["x"]`)}\n${TALK}`,
    { "shell.holder.kind": "memfd" },
  ],
  [
    "a program in /tmp",
    `${python("waited 1 exe /tmp/x", `["x"]`)}\n${TALK}`,
    { "shell.holder.kind": "temporary-file" },
  ],
  [
    "a program that deleted itself",
    `${python("waited 1 exe /home/a/x (deleted)", `["x"]`)}\n${TALK}`,
    { "shell.holder.kind": "deleted" },
  ],
  [
    "a script in /tmp",
    `${python("waited 1 exe /usr/bin/python3.11", `["python3","/tmp/x.py"]`)}\n${TALK}`,
    { "shell.holder.kind": "temporary-file" },
  ],
  [
    "a script of bash in /tmp",
    `${python("waited 1 exe /usr/bin/bash", `["bash","/tmp/x.sh"]`)}\n${TALK}`,
    { "shell.holder.kind": "temporary-file" },
  ],
  ["inline code that was called", `${WAITED}\n${TALK.replace("->", "<-")}`, { "client.direction": "accepted" }],
  ["inline code that never started anybody", `${python("exe /usr/bin/python3.11")}\n${TALK}`, "nothing"],
  [
    "inline code without a connection",
    'pid 50 ppid 1 uid 1000 waited 300 exe /usr/bin/python3.11\n  argv ["python3","-c","x"]',
    "nothing",
  ],
  [
    "a script of a home directory",
    `${python("waited 300 exe /usr/bin/python3.11", `["python3","/home/a/x.py"]`)}\n${TALK}`,
    "nothing",
  ],
  ["an installed program", `${python("waited 300 exe /usr/sbin/nginx", `["nginx"]`)}\n${TALK}`, "nothing"],
  ["a relay tool", `${python("waited 300 exe /usr/bin/socat", `["socat"]`)}\n${TALK}`, "nothing"],
  [
    "a shell: its every command is a child",
    `${python("waited 300 exe /usr/bin/bash", `["bash","-c","x"]`)}\n${TALK}`,
    "nothing",
  ],
  ["a service on the same host", `${WAITED}\n${TALK.replace("203.0.113.7", "127.0.0.1")}`, "nothing"],
  ["a peer that never said anything", `${WAITED}\n${talk("sent 20 1000 received 0 8000")}`, "nothing"],
  ["a kernel that does not count", `${WAITED}\n${talk("")}`, "nothing"],
];

describe("states", () => {
  test.each(ROWS)("%s", (_sentence, host, expected) => {
    const events = inlineClientDetector.sweep(hostFixture(host).view);
    if (expected === "nothing") expect(events).toEqual([]);
    else {
      expect(events.map((event) => event.process?.pid)).toEqual([50]);
      expect(events[0]?.fields).toMatchObject(expected);
      expect(events[0]?.subject?.actors.map((ref) => ref.pid)).toEqual([50]);
    }
  });

  test("each connection for itself: an innocent one does not hide another", () => {
    const host = `${WAITED}\n  fd 4 rw socket:[2]\n  blocked 4\n${talk("sent 20 1000 received 30 900")}\n${talk("sent 20 1000 received 30 1004", 2)}`;
    const events = inlineClientDetector.sweep(hostFixture(host).view);
    expect(events.map((event) => [event.subject?.sockets[0]?.inode, event.fields["client.waits_for_remote"]])).toEqual([
      [1, false],
      [2, true],
    ]);
  });
});
