// Which shells of service accounts are stated, and who is taken for the account itself.
import { describe, expect, test } from "bun:test";
import { hostFixture } from "../../context/host.fixture.ts";
import type { Process } from "../../core/process.ts";
import { createServiceAccountDetector } from "./service_account.ts";

const SHELL = "pid 50 ppid 1 uid 33 tty 34816 exe /usr/bin/bash";
const ADMIN = "pid 40 ppid 1 uid 1000 tty 34816 exe /usr/bin/bash";

type Expected = "own" | "borrowed" | "nothing";

const ROWS: readonly [sentence: string, host: string, change: Partial<Process>, expected: Expected][] = [
  ["a terminal that the service opened", SHELL, {}, "own"],
  ["a login of the account itself", SHELL, { loginUid: 33, sessionId: 40 }, "own"],
  ["an administrator's sudo -u", SHELL, { loginUid: 1000 }, "borrowed"],
  ["root's su", SHELL, { loginUid: 0 }, "borrowed"],
  [
    "an administrator's su where the kernel keeps no logins",
    `${ADMIN}\n${SHELL.replace("uid 33", "uid 33 session 40")}`,
    {},
    "borrowed",
  ],
  [
    "a child of the shell that leads the terminal",
    `pid 40 ppid 1 uid 33 exe /usr/bin/bash\n${SHELL.replace("uid 33", "uid 33 session 40")}`,
    {},
    "own",
  ],
  ["a leader that is gone", SHELL.replace("uid 33", "uid 33 session 40"), {}, "borrowed"],
  ["a container's account", SHELL, { namespaces: { mount: 5, network: 5, pid: 5 } }, "borrowed"],
  ["nobody", SHELL.replace("uid 33", "uid 65534"), {}, "own"],
  ["effective, not real: root became the account", SHELL.replace("uid 33", "uid 0 euid 33"), {}, "own"],
  ["without a terminal", SHELL.replace("tty 34816 ", ""), {}, "nothing"],
  ["root", SHELL.replace("uid 33", "uid 0"), {}, "nothing"],
  ["a person", SHELL.replace("uid 33", "uid 1000"), {}, "nothing"],
  ["a program that is no interpreter", SHELL.replace("bash", "psql"), {}, "nothing"],
  [
    "a greeter, which is a script of the system",
    `${SHELL}\n  argv ["sh","/usr/bin/gnome-session"]`,
    { loginUid: 33 },
    "nothing",
  ],
  ["a script of the account's own", `${SHELL}\n  argv ["bash","/var/www/x"]`, { loginUid: 33 }, "own"],
];

describe("a service account with a terminal:", () => {
  test.each(ROWS)("%s", (_sentence, text, change, expected) => {
    const host = hostFixture(text);
    const process = { ...host.process(50), ...change };
    const view = { ...host.view, processes: new Map([...host.view.processes, [50, process]]) };
    const events = createServiceAccountDetector()
      .sweep(view)
      .filter((event) => event.process?.pid === 50);
    const said = events.map(({ fields }) => (fields["account.own_login"] === true ? "own" : "borrowed"));
    expect(said).toEqual(expected === "nothing" ? [] : [expected]);
  });

  test("is stated once", () => {
    const detector = createServiceAccountDetector();
    const { view } = hostFixture(SHELL);
    expect([detector.sweep(view).length, detector.sweep(view).length]).toEqual([1, 0]);
  });
});
