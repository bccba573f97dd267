import { describe, expect, test } from "bun:test";
import { createLeaders, terminalName } from "./leaders.ts";

describe("the name of a terminal", () => {
  const ROWS: readonly (readonly [string, number, string])[] = [
    ["of no terminal is empty", 0, ""],
    ["of the first pseudo-terminal", (136 << 8) | 0, "pts/0"],
    ["of one with a small number", (136 << 8) | 17, "pts/17"],
    ["of one beyond the first 256", (136 << 8) | 0x2c | (1 << 20), "pts/300"],
    ["of a console", (4 << 8) | 1, "tty1"],
    ["of a serial line", (4 << 8) | 64, "ttyS0"],
    ["of what is no terminal of a login is empty", (5 << 8) | 1, ""],
  ];
  for (const [name, device, expected] of ROWS) test(name, () => expect(terminalName(device)).toBe(expected));
});

describe("the process that leads a login", () => {
  const leaders = createLeaders();
  test("is known by number and start, and not once it has ended", async () => {
    const child = Bun.spawn(["sleep", "60"]);
    expect(leaders.refOf(child.pid)?.startedAtTicks).toBeGreaterThan(0);
    expect(leaders.parentOf(child.pid)).toBe(process.pid);
    expect(leaders.uidOf(child.pid)).toBe(process.getuid?.() ?? -2);
    child.kill();
    await child.exited;
    expect(leaders.refOf(child.pid)).toBeUndefined();
    expect([leaders.parentOf(child.pid), leaders.nameOf(child.pid), leaders.uidOf(child.pid)]).toEqual([0, "", -1]);
  });

  test("shows the terminal that its child's program has", async () => {
    // script(1) gives its child a terminal of its own, as sshd does; it stands for sshd's process here.
    const child = Bun.spawn(["sh", "-c", "script -qfc 'sleep 60' /dev/null; true"], {
      stdin: "ignore",
      stdout: "ignore",
    });
    const until = Date.now() + 10_000;
    while (leaders.terminalBelow(child.pid) === "" && Date.now() < until) await Bun.sleep(20);
    expect(leaders.terminalBelow(child.pid)).toMatch(/^pts\/\d+$/);
    child.kill("SIGKILL");
    await child.exited;
    expect(leaders.terminalBelow(child.pid)).toBe("");
  });

  test("belongs to an account with a shell", () => {
    expect(leaders.shellOf("root")).toMatch(/sh$/);
    expect(leaders.shellOf("nobody")).toMatch(/nologin$/);
    expect(leaders.shellOf("no such account")).toBe("");
  });
});
