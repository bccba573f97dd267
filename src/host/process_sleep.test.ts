import { afterAll, afterEach, describe, expect, test } from "bun:test";
import {
  closeSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Process } from "../core/process.ts";
import { createProcessReader, type ProcessReader } from "./processes.ts";
import { endStarted, startPython, startReady, until } from "./test_processes.ts";

const scratch = mkdtempSync(join(tmpdir(), "algo-sleep-"));
afterEach(endStarted);
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const SWEEP_MS = 5000;
let places = 0;

/** A reader that sees these real processes and no others, so that thousands of sweeps are cheap; its clock jumps. */
function readerOf(pids: readonly number[], handlesMax?: number): ProcessReader & { later(ms?: number): Seen } {
  const root = join(scratch, `proc-${places++}`);
  mkdirSync(root);
  for (const pid of pids) symlinkSync(`/proc/${pid}`, join(root, String(pid)));
  let elapsedMs = 0;
  const clock = { nowMs: () => 1_700_000_000_000 + elapsedMs, monotonicMs: () => 1000 + elapsedMs };
  const reader = createProcessReader({ procRoot: root, clock, ...(handlesMax === undefined ? {} : { handlesMax }) });
  return {
    ...reader,
    later(ms = SWEEP_MS) {
      elapsedMs += ms;
      const sweep = reader.read();
      const process = sweep.processes.find((seen) => seen.ref.pid === pids[0]);
      const kindOf = (fd: number) =>
        sweep.descriptors.get(pids[0] ?? -1)?.find((descriptor) => descriptor.fd === fd)?.kind ?? "closed";
      return { process, kindOf };
    },
  };
}

interface Seen {
  readonly process: Process | undefined;
  kindOf(fd: number): string;
}

/** Sweeps until the very object of the sweep before is handed out again: it is known to sleep. */
function untilAsleep(reader: ReturnType<typeof readerOf>): Promise<Process> {
  let before: Process | undefined;
  return until(() => {
    const { process } = reader.later();
    const isSame = process === before;
    before = process;
    return isSame && process;
  });
}

/** Two fifos: a byte orders, a byte answers; both block, so that no time passes in between. */
function createOrders(): { order(byte: string): void; readonly python: string; close(): void } {
  const names = ["ask", "say"].map((name) => join(scratch, `${name}-${places++}`));
  for (const name of names) Bun.spawnSync(["mkfifo", name]);
  const [ask = -1, say = -1] = names.map((name) => openSync(name, "r+"));
  const answer = new Uint8Array(1);
  return {
    order(byte) {
      writeSync(ask, byte);
      readSync(say, answer, 0, 1, null);
    },
    python: `import os, socket, time, ctypes
ask = os.open(${JSON.stringify(names[0])}, os.O_RDWR)
say = os.open(${JSON.stringify(names[1])}, os.O_RDWR)
null = os.open('/dev/null', os.O_RDWR)
held = socket.socket()
def obey():
    c = os.read(ask, 1)
    os.dup2(held.fileno() if c == b's' else null, 0)
    os.dup2(held.fileno() if c == b's' else null, 1)
    os.write(say, b'.')
    for _ in range(ord(c) % 7 * 40): pass
    return c
`,
    close() {
      closeSync(ask);
      closeSync(say);
    },
  };
}

describe("a process that puts a socket onto its 0 and 1 between two sweeps is seen at the next", () => {
  const WITH_THREAD = `import threading
def serve():
    while True: obey()
threading.Thread(target=serve, daemon=True).start()
os.close(os.dup(null))
print('ready', flush=True)
while True: time.sleep(1000)
`;
  test.each([
    ["by itself", "print('ready', flush=True)\nwhile True: obey()", 3000],
    ["by another thread while the first sleeps", WITH_THREAD, 1000],
  ])(
    "%s",
    async (_, program, rounds) => {
      const orders = createOrders();
      const { ref } = await startReady(["python3", "-c", orders.python + program]);
      const reader = readerOf([ref.pid]);
      let reused = 0;
      for (let round = 0; round < rounds; round++) {
        const wanted = round % 2 === 0 ? "socket" : "other";
        // From no sweep at all since the last change to enough that it is known to sleep.
        let before: Process | undefined;
        for (let sweep = 0; sweep < round % 6; sweep++) {
          const { process } = reader.later();
          if (process === before) reused++;
          before = process;
        }
        orders.order(wanted === "socket" ? "s" : ("xyz"[round % 3] ?? "x"));
        const seen = reader.later();
        expect([round, seen.kindOf(0), seen.kindOf(1)]).toEqual([round, wanted, wanted]);
      }
      expect(reused).toBeGreaterThan(rounds / 4);
      reader.close();
      orders.close();
    },
    60_000,
  );

  test("by a process that shares its table while it sleeps (CLONE_FILES), and so is what that opens and closes", async () => {
    const orders = createOrders();
    // The parent sleeps for good, the child obeys.
    const { ref } = await startReady([
      "python3",
      "-c",
      `${orders.python}
if ctypes.CDLL(None).syscall(56, 0x400 | 17, 0, 0, 0, 0) == 0:
    ctypes.CDLL(None).prctl(1, 9)
    os.write(1, b'ready\\n')
    while True:
        c = os.read(ask, 1)
        if c == b'o': os.dup2(held.fileno(), 90)
        elif c == b'c': os.close(90)
        else: os.dup2(held.fileno() if c == b's' else null, 0)
        os.write(say, b'.')
while True: time.sleep(1000)
`,
    ]);
    let distrusted = 0;
    for (let round = 0; round < 80; round++) {
      const reader = readerOf([ref.pid]);
      await untilAsleep(reader);
      // Which sweep is its turn to be read in full follows from its pid: not the same one in every round.
      for (let more = 0; more < round % 7; more++) reader.later();
      const [order, fd, kind] = (
        [
          ["s", 0, "socket"],
          ["o", 90, "socket"],
          ["n", 0, "other"],
          ["c", 90, "closed"],
        ] as const
      )[round % 4] ?? ["n", 0, "other"];
      orders.order(order);
      expect([round, reader.later().kindOf(fd)]).toEqual([round, kind]);
      const { process } = reader.later();
      if (reader.later().process !== process) distrusted++;
      reader.close();
    }
    // Known to share its table, it is never believed to sleep again; where it had its turn just then, that is not known.
    expect(distrusted).toBeGreaterThan(40);
    orders.close();
  }, 60_000);
});

describe("of a process that sleeps", () => {
  test("everything is read anew at least each minute, whatever the interval of sweeps", async () => {
    const { ref } = await startPython("pass");
    for (const intervalMs of [5000, 20_000, 90_000]) {
      const reader = readerOf([ref.pid]);
      await untilAsleep(reader);
      let same: Process | undefined;
      let sameForMs = 0;
      for (let sweep = 0; sweep < 40; sweep++) {
        const { process } = reader.later(intervalMs);
        sameForMs = process === same ? sameForMs + intervalMs : 0;
        same = process;
        expect(sameForMs).toBeLessThan(60_000);
      }
      reader.close();
    }
  });

  test("a deleted and a renamed executable are seen", async () => {
    const copy = join(scratch, "mover");
    cpSync("/bin/sleep", copy);
    const child = Bun.spawn([copy, "60"]);
    try {
      const reader = readerOf([child.pid]);
      await until(() => reader.later().process?.executable?.path === copy);
      await untilAsleep(reader);
      renameSync(copy, `${copy}-2`);
      const seen = Array.from({ length: 6 }, () => reader.later().process?.executable?.path);
      expect(seen.at(-1)).toBe(`${copy}-2`);
      await untilAsleep(reader);
      unlinkSync(`${copy}-2`);
      expect(reader.later().process?.executable?.deleted).toBe(true);
      reader.close();
    } finally {
      child.kill("SIGKILL");
      await child.exited;
    }
  });

  test("a parent that ends is seen, and so are stop and the end itself", async () => {
    const { child, ref, line } = await startReady(["bash", "-c", "sleep 60 >/dev/null & echo $!; read line"]);
    const pid = Number(line);
    const reader = readerOf([pid, ref.pid]);
    await until(() => reader.later().process?.name === "sleep");
    expect((await untilAsleep(reader)).parentPid).toBe(ref.pid);
    child.kill("SIGKILL");
    await child.exited;
    expect(reader.later().process?.parentPid).not.toBe(ref.pid);
    await untilAsleep(reader);
    process.kill(pid, "SIGSTOP");
    await until(() => reader.later().process?.state === "T");
    await untilAsleep(reader);
    process.kill(pid, "SIGKILL");
    await until(() => [undefined, "Z"].includes(reader.later().process?.state));
    reader.close();
  });

  test("an exec by another than its first thread is seen", async () => {
    const orders = createOrders();
    const { ref } = await startReady([
      "python3",
      "-c",
      `${orders.python}import threading
def go():
    os.read(ask, 1)
    os.write(say, b'.')
    os.execv('/bin/sleep', ['sleep', '60'])
threading.Thread(target=go, daemon=True).start()
print('ready', flush=True)
while True: time.sleep(1000)
`,
    ]);
    const reader = readerOf([ref.pid]);
    expect((await untilAsleep(reader)).threads).toBe(2);
    orders.order("g");
    const seen = await until(() => {
      const { process } = reader.later();
      return process?.threads === 1 && process.argv[0] === "sleep" && process;
    });
    expect(seen.executable?.path).toContain("sleep");
    await untilAsleep(reader);
    reader.close();
    orders.close();
  });

  test("nothing is reused where no handle may be kept, or less than a second has passed", async () => {
    const { ref } = await startPython("pass");
    for (const [handlesMax, intervalMs] of [
      [0, SWEEP_MS],
      [undefined, 20],
    ] as const) {
      const reader = readerOf([ref.pid], handlesMax);
      let before: Process | undefined;
      for (let sweep = 0; sweep < 20; sweep++) {
        const { process } = reader.later(intervalMs);
        expect(process).not.toBe(before);
        before = process;
      }
      reader.close();
    }
  });
});

test("handles are closed with the process they belong to, and with the reader", async () => {
  const open = (): number => readdirSync("/proc/self/fd").length;
  const first = await startPython("pass");
  const second = await startPython("pass");
  const before = open();
  const reader = readerOf([first.ref.pid, second.ref.pid]);
  const own = open() - before;
  await untilAsleep(reader);
  await until(() => {
    reader.later();
    return open() - before - own === 6;
  });
  second.child.kill("SIGKILL");
  await second.child.exited;
  reader.later();
  expect(open() - before - own).toBeLessThanOrEqual(3);
  reader.close();
  expect(open()).toBeLessThanOrEqual(before);
});
