// The list of watched files as the sensor gets it: when it is made anew, what a container adds, how it looks in bytes.
import { describe, expect, test } from "bun:test";
import { hostFixture } from "../context/host.fixture.ts";
import { fakeClock } from "../core/nouns.fixture.ts";
import type { HostView } from "../core/view.ts";
import { watchFrame } from "./kernel_frames.ts";
import { createKernelWatches } from "./kernel_watches.ts";

const HOST = `pid ${process.pid} ppid 1 uid 0 exe /usr/local/bin/algo-monitor
  argv ["algo-monitor"]
pid 900 ppid 1 uid 0 exe /usr/bin/sleep
  argv ["sleep"]
pid 901 ppid 900 uid 0 exe /usr/bin/sleep
  argv ["sleep"]`;

function setUp(pidNamespaces: Readonly<Record<number, number>> = {}) {
  const clock = fakeClock();
  const { view } = hostFixture(HOST);
  const processes = new Map(
    [...view.processes].map(([pid, process]) => {
      const namespaces = { ...process.namespaces, pid: pidNamespaces[pid] ?? process.namespaces.pid };
      return [pid, { ...process, namespaces }] as const;
    }),
  );
  const faults: string[] = [];
  const watches = createKernelWatches({
    clock,
    lastView: (): HostView => ({ ...view, processes }),
    onFault: (_part, message) => void faults.push(message),
  });
  return { clock, watches, faults };
}

describe("the list", () => {
  test("is the same for a minute, and another at once when DECOYS are", () => {
    const { clock, watches } = setUp();
    const decoys = ["/srv/a"];
    const first = watches.list(decoys);
    clock.advance(59_000);
    expect(watches.list(decoys)).toBe(first);
    expect(watches.list(["/srv/b"])).toContainEqual({ path: "/srv/b", watch: "decoy" });
  });

  test("has the /proc of a container once, and none for our own", () => {
    const memory = setUp({ 900: 77, 901: 77 })
      .watches.list([])
      .filter(({ watch }) => watch === "process-memory");
    expect(memory).toEqual([{ path: "/proc/900/root/proc", watch: "process-memory" }]);
    expect(
      setUp()
        .watches.list([])
        .some(({ watch }) => watch === "process-memory"),
    ).toBe(false);
  });

  test("that is too long is told once", () => {
    const { clock, watches, faults } = setUp();
    const decoys = Array.from({ length: 256 }, (_, index) => `/srv/${"x".repeat(1_000)}${index}`);
    watches.list(decoys);
    clock.advance(60_000);
    watches.list(decoys);
    expect(faults).toHaveLength(1);
    expect(faults[0]).toMatch(/^\d+ files with keys or decoys found no room/);
  });
});

test("in bytes each entry is padded to eight, and the frame says how many there are", () => {
  const frame = watchFrame([
    { path: "/a", watch: "decoy" },
    { path: "/etc/shadow", watch: "credentials" },
  ]);
  const view = new DataView(frame.buffer);
  expect([view.getUint16(0, true), view.getUint8(2), view.getUint32(16, true)]).toEqual([24 + 16 + 24, 136, 2]);
  expect([view.getUint32(24, true), view.getUint16(28, true)]).toEqual([2, 2]);
  expect([view.getUint32(40, true), view.getUint16(44, true)]).toEqual([1, 11]);
  expect(new TextDecoder().decode(frame.subarray(48, 59))).toBe("/etc/shadow");
});
