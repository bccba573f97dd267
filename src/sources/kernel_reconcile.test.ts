// What a scan and the sensor say of the same host, compared.
import { describe, expect, test } from "bun:test";
import { hostFixture } from "../context/host.fixture.ts";
import { execFixture, taskFixture } from "../core/kernel.fixture.ts";
import { NOON_MS } from "../core/nouns.fixture.ts";
import type { ProcessRef } from "../core/process.ts";
import { refOf } from "../host/signals.ts";
import { createKernelProcesses } from "./kernel_processes.ts";
import { createReconciliation } from "./kernel_reconcile.ts";

const CONNECTED = "tcp 10.0.0.5:40000 -> 203.0.113.7:4444 inode 9001 sent 1 1 received 1 1";
const BIRTH_MS = NOON_MS - 10_000;

function setUp(isListed: (pid: number) => boolean = () => true) {
  const processes = createKernelProcesses({
    files: {
      executableOf: () => ({ path: "", device: 0, inode: 0, ownerUid: 0, mode: 0, deleted: false, memfd: false }),
      learn: () => undefined,
    },
    cgroups: { pathOf: () => "", idOf: () => undefined },
    nowMs: () => BIRTH_MS,
  });
  const reconciliation = createReconciliation(processes, isListed);
  let atMs = NOON_MS;
  const scan = (text: string) => {
    atMs += 5_000;
    const host = hostFixture(`${FIRST}\n${text}`, { atMs });
    return reconciliation.scanned(host.view, host.sockets);
  };
  return { processes, reconciliation, scan };
}

const FIRST = "pid 1 ppid 0 uid 0 age 900000 exe /usr/lib/systemd/systemd";
const YOUNG = "pid 500 ppid 1 uid 0 age 3000 exe /usr/bin/sleep";

describe("what a scan finds and the sensor never told", () => {
  test("is a missed process, counted once", () => {
    const { reconciliation, scan } = setUp();
    reconciliation.began(NOON_MS);
    scan(YOUNG);
    scan(YOUNG.replace("3000", "8000"));
    expect(reconciliation.status().processesMissed).toBe(1);
  });

  test.each([
    ["was told of", (world: ReturnType<typeof setUp>) => void world.processes.executed(execFixture()), YOUNG],
    ["is older than the sensor", () => undefined, YOUNG.replace("3000", "60000")],
    ["is so young that its report may be on its way", () => undefined, YOUNG.replace("3000", "500")],
    ["is a thread of the kernel", () => undefined, "pid 500 ppid 2 uid 0 age 3000 name kworker"],
  ])("is none where the process %s", (_why, prepare, text) => {
    const world = setUp();
    world.reconciliation.began(NOON_MS);
    prepare(world);
    world.scan(text);
    expect(world.reconciliation.status().processesMissed).toBe(0);
  });

  test("is a missed connection when the second scan sees it too", () => {
    const { reconciliation, scan } = setUp();
    reconciliation.began(NOON_MS);
    scan(YOUNG);
    scan(`${YOUNG}\n${CONNECTED}`);
    expect(reconciliation.status().connectionsMissed).toBe(0);
    scan(`${YOUNG}\n${CONNECTED}`);
    scan(`${YOUNG}\n${CONNECTED}`);
    expect(reconciliation.status().connectionsMissed).toBe(1);
  });

  test("a connection that was told of late, or was there before the sensor, is none", () => {
    const { reconciliation, scan } = setUp();
    reconciliation.began(NOON_MS);
    scan(CONNECTED);
    scan(CONNECTED);
    scan(`${CONNECTED}\n${CONNECTED.replace("9001", "9002")}`);
    reconciliation.heardConnection(9_002, 1n);
    scan(`${CONNECTED}\n${CONNECTED.replace("9001", "9002")}`);
    expect(reconciliation.status().connectionsMissed).toBe(0);
  });
});

describe("what the sensor holds alive and no scan lists", () => {
  const self = refOf(process.pid);
  const child = (): { readonly ref: ProcessRef; readonly end: () => Promise<number> } => {
    const sleeper = Bun.spawn(["sleep", "60"]);
    const ref = refOf(sleeper.pid);
    if (ref === undefined || self === undefined) throw new Error("no /proc here");
    return {
      ref,
      end: () => {
        sleeper.kill("SIGKILL");
        return sleeper.exited;
      },
    };
  };

  test("hides if it still lives at the second look, and is told once", async () => {
    const { processes, reconciliation, scan } = setUp(() => false);
    const { ref, end } = child();
    reconciliation.began(NOON_MS);
    processes.executed(execFixture({ task: taskFixture({ ref }) }));
    expect(scan("")).toEqual([]);
    expect(scan("").map(({ action, process }) => [action, process?.pid])).toEqual([["process-hidden", ref.pid]]);
    expect(scan("")).toEqual([]);
    expect(scan("")).toEqual([]);
    expect(reconciliation.status()).toMatchObject({ hidden: 1, endsMissed: 0 });
    await end();
  });

  test("has ended unseen if it is gone", async () => {
    const { processes, reconciliation, scan } = setUp(() => false);
    const { ref, end } = child();
    await end();
    reconciliation.began(NOON_MS);
    processes.executed(execFixture({ task: taskFixture({ ref }) }));
    scan("");
    expect(scan("")).toEqual([]);
    expect(reconciliation.status()).toMatchObject({ hidden: 0, endsMissed: 1 });
    expect(processes.isAlive(ref)).toBe(false);
  });
});

describe("a blind window", () => {
  test("of lost reports is over when a scan has looked, and told then", () => {
    const { reconciliation, scan } = setUp();
    reconciliation.began(NOON_MS);
    reconciliation.lost({
      kind: "loss",
      fromMs: NOON_MS + 10,
      toMs: NOON_MS + 1_010,
      urgent: 0,
      vital: 7,
      other: 1,
      files: 0,
      unseen: 2,
    });
    expect(reconciliation.status().blindWindows).toEqual([{ fromMs: NOON_MS + 10, toMs: NOON_MS + 1_010, lost: 10 }]);
    expect(scan("").map(({ fields }) => fields)).toEqual([
      {
        "blind.from": NOON_MS + 10,
        "blind.to": NOON_MS + 1_010,
        "blind.lost": 10,
        "blind.reconciled": NOON_MS + 5_000,
      },
    ]);
    expect(scan("")).toEqual([]);
    expect(reconciliation.status().blindWindows[0]?.reconciledAtMs).toBe(NOON_MS + 5_000);
  });

  test("of a sensor that is gone lasts until it is back", () => {
    const { reconciliation, scan } = setUp();
    reconciliation.began(NOON_MS);
    reconciliation.ended(NOON_MS + 100);
    expect(scan("")).toEqual([]);
    expect(reconciliation.status().blindWindows).toEqual([{ fromMs: NOON_MS + 100, lost: 0 }]);
    reconciliation.began(NOON_MS + 6_000);
    expect(scan("").map(({ action }) => action)).toEqual(["sensor-was-blind"]);
  });
});
