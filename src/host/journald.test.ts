import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { createJournal, encodeEntry, type JournalFields } from "./journald.ts";
import { bindSocket, closeDescriptor, openSocket, receiveInto, unixAddress } from "./libc.ts";
import { createNotifier } from "./sd_notify.ts";

const scratch = mkdtempSync(join(tmpdir(), "algo-datagram-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** A receiver like journald's or systemd's. */
function listen(path: string): { receive(): string | undefined; close(): void } {
  const descriptor = openSocket(1, 2 | 0o4000, 0);
  const address = unixAddress(path);
  if (address === undefined || bindSocket(descriptor, address) < 0) throw new Error(`cannot bind ${path}`);
  const buffer = new Uint8Array(256 * 1024);
  return {
    receive() {
      const length = receiveInto(descriptor, buffer, 0);
      return length < 0 ? undefined : Buffer.from(buffer.subarray(0, length)).toString("latin1");
    },
    close: () => closeDescriptor(descriptor),
  };
}

/** What journald makes of an entry. */
function decode(bytes: Uint8Array): Record<string, string> {
  const fields: Record<string, string> = {};
  const buffer = Buffer.from(bytes);
  for (let at = 0; at < buffer.byteLength; ) {
    const newline = buffer.indexOf(0x0a, at);
    const equals = buffer.subarray(at, newline).indexOf(0x3d);
    if (equals >= 0) {
      fields[buffer.toString("utf8", at, at + equals)] = buffer.toString("utf8", at + equals + 1, newline);
      at = newline + 1;
    } else {
      const length = Number(buffer.readBigUInt64LE(newline + 1));
      const from = newline + 9;
      fields[buffer.toString("utf8", at, newline)] = buffer.toString("utf8", from, from + length);
      at = from + length + 1;
    }
  }
  return fields;
}

describe("journal entries", () => {
  test("an entry arrives with its fields, a value with newlines in one piece", () => {
    const path = join(scratch, "journal");
    const receiver = listen(path);
    const journal = createJournal({ socketPath: path, identifier: "algo-test" });
    expect(journal.send({ MESSAGE: "shell killed\nMESSAGE=forged", PRIORITY: 1, ALGO_PID: 42 })).toEqual({
      ok: true,
      value: undefined,
    });
    expect(decode(Buffer.from(receiver.receive() ?? "", "latin1"))).toEqual({
      SYSLOG_IDENTIFIER: "algo-test",
      MESSAGE: "shell killed\nMESSAGE=forged",
      PRIORITY: "1",
      ALGO_PID: "42",
    });
    expect(journal.counters()).toEqual({ sent: 1, lost: 0 });
    journal.close();
    receiver.close();
  });

  test("a receiver that does not read fills up: entries are lost and counted, and nothing waits", () => {
    const path = join(scratch, "full");
    const receiver = listen(path);
    const journal = createJournal({ socketPath: path });
    const results = Array.from({ length: 2000 }, () => journal.send({ MESSAGE: "x".repeat(4000) }));
    expect(results.find((result) => !result.ok)).toMatchObject({ fault: { kind: "limit" } });
    expect(journal.counters().sent + journal.counters().lost).toBe(2000);
    while (receiver.receive() !== undefined);
    expect(journal.send({ MESSAGE: "again" }).ok).toBe(true);
    receiver.close();
  });

  test("without journald an entry is a fault, not an exception", () => {
    const journal = createJournal({ socketPath: join(scratch, "nobody") });
    expect(journal.send({ MESSAGE: "x" })).toMatchObject({ ok: false, fault: { kind: "gone" } });
  });

  const names = ["message", "_PID", "9A", "", "A=B", "A\nB", "A".repeat(65)];
  test.each(names)("%j is refused as a field name", (name) => {
    expect(encodeEntry({ [name]: "x" })).toMatchObject({ ok: false, fault: { kind: "invalid" } });
  });

  test("values of any text arrive as they are, long ones cut between characters", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", maxLength: 200 }), fc.constantFrom(1, 300), (text, times) => {
        const value = text.repeat(times).toWellFormed();
        const encoded = encodeEntry({ MESSAGE: value, PRIORITY: 6 } satisfies JournalFields);
        if (!encoded.ok) throw new Error(encoded.fault.message);
        const { MESSAGE: message = "", PRIORITY: priority } = decode(encoded.value);
        expect(priority).toBe("6");
        if (Buffer.byteLength(value) <= 8192) expect(message).toBe(value);
        else {
          expect(message.endsWith("... [cut]")).toBe(true);
          expect(value.startsWith(message.slice(0, -9))).toBe(true);
          expect(Buffer.byteLength(message)).toBeLessThanOrEqual(8192);
        }
      }),
      { seed: 20, numRuns: 300 },
    );
  });

  test("an entry of many long values stays under 64 KiB", () => {
    const fields = Object.fromEntries(Array.from({ length: 20 }, (_, index) => [`F${index}`, "x".repeat(8000)]));
    const encoded = encodeEntry({ MESSAGE: "first", ...fields });
    expect(encoded.ok && encoded.value.byteLength).toBeLessThanOrEqual(65536);
    expect(encoded.ok && decode(encoded.value)["MESSAGE"]).toBe("first");
  });
});

describe("what systemd is told", () => {
  const sockets: [string, string][] = [
    ["a path", join(scratch, "notify")],
    ["an abstract name", `@algo-test-notify-${process.pid}`],
  ];
  test.each(sockets)("over %s", (_, path) => {
    const receiver = listen(path);
    const notifier = createNotifier({
      NOTIFY_SOCKET: path,
      WATCHDOG_USEC: "20000000",
      WATCHDOG_PID: String(process.pid),
    });
    expect(notifier).toMatchObject({ listening: true, watchdogIntervalMs: 20_000 });
    notifier.ready("guarding\n2 processes");
    expect(receiver.receive()).toBe("READY=1\nSTATUS=guarding 2 processes");
    notifier.reloading();
    expect(receiver.receive()).toMatch(/^RELOADING=1\nMONOTONIC_USEC=\d+$/);
    notifier.watchdog();
    expect(receiver.receive()).toBe("WATCHDOG=1");
    notifier.stopping();
    expect(receiver.receive()).toBe("STOPPING=1");
    notifier.extendTimeout(1500);
    expect(receiver.receive()).toBe("EXTEND_TIMEOUT_USEC=1500000");
    notifier.close();
    receiver.close();
  });

  test("nothing is said, and nothing fails, where systemd did not start us", () => {
    const notifier = createNotifier({});
    expect(notifier).toMatchObject({ listening: false, watchdogIntervalMs: undefined });
    expect(notifier.ready().ok).toBe(true);
  });

  const watchdogs: [string, Record<string, string>][] = [
    ["of another process", { WATCHDOG_USEC: "1000", WATCHDOG_PID: "1" }],
    ["of zero", { WATCHDOG_USEC: "0" }],
    ["of nonsense", { WATCHDOG_USEC: "soon" }],
  ];
  test.each(watchdogs)("a watchdog %s is none", (_, environment) => {
    expect(createNotifier(environment).watchdogIntervalMs).toBeUndefined();
  });
});
