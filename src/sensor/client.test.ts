// The sensor's client against a real process that speaks the protocol: a shell script with the bytes of wire.h.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fail, ok } from "../core/result.ts";
import { createSensor, type Sensor, type SensorParts } from "./client.ts";

let directory = "";
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "algo-sensor-"));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

function octal(bytes: Uint8Array): string {
  return [...bytes].map((byte) => `\\0${byte.toString(8).padStart(3, "0")}`).join("");
}

function record(type: number, sizeBytes: number, write: (view: DataView) => void = () => {}): Uint8Array {
  const bytes = new Uint8Array(sizeBytes);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, sizeBytes, true);
  view.setUint8(2, type);
  view.setUint8(3, 3);
  write(view);
  return bytes;
}

const HOOKS = "on_exec\tok\non_module\tNo such file or directory\n";
const HELLO = greeting(HOOKS, 0);
const CONNECTOR = greeting("bpf\tOperation not permitted\nconnector\tok\n", 1);

function greeting(hooks: string, step: number): Uint8Array {
  return record(1, 40 + hooks.length, (view) => {
    view.setUint32(16, 1, true);
    view.setUint32(20, 77, true);
    view.setUint32(32, hooks.length, true);
    view.setUint32(36, step, true);
    [...hooks].forEach((letter, index) => {
      view.setUint8(40 + index, letter.charCodeAt(0));
    });
  });
}

const BEAT = record(2, 144, (view) => {
  view.setUint32(16, 5, true);
  view.setBigUint64(24, 900n, true);
  view.setBigUint64(56 + 8, 3n, true);
});
const EXEC = record(4, 288, (view) => view.setUint32(16, 4242, true));

/** Says `first`, then a beat each 0.2 s for as long as its input is open. */
function script(name: string, first: readonly Uint8Array[], then = "beat"): string {
  const path = join(directory, name);
  const loop = then === "beat" ? `while :; do printf '%b' '${octal(BEAT)}'; sleep 0.2; done` : then;
  writeFileSync(path, `#!/bin/sh\nPATH=/usr/bin:/bin\nprintf '%b' '${first.map(octal).join("")}'\n${loop}\n`);
  chmodSync(path, 0o755);
  return path;
}

interface Heard {
  readonly began: string[];
  readonly records: number[];
  readonly ended: string[];
  readonly missed: number[];
}

function sensorOf(path: string | undefined, more: Partial<SensorParts> = {}): { sensor: Sensor; heard: Heard } {
  const heard: Heard = { began: [], records: [], ended: [], missed: [] };
  const sensor = createSensor({
    clock: { nowMs: () => Date.now(), monotonicMs: () => performance.now() },
    executable: async () => (path === undefined ? fail("unsupported", "this build has no kernel sensor") : ok(path)),
    canaryFrame: () => record(135, 24),
    stopFrame: () => record(137, 24),
    onBegan: (hello) => heard.began.push(hello.hooks.map(({ name, answer }) => `${name}=${answer}`).join(",")),
    onRecord: (bytes) => heard.records.push(bytes[2] ?? 0),
    onEnded: (reason) => heard.ended.push(reason),
    onMissedCanary: (missed) => heard.missed.push(missed),
    ...more,
  });
  return { sensor, heard };
}

async function until(condition: () => boolean): Promise<void> {
  for (let waited = 0; waited < 200 && !condition(); waited++) await Bun.sleep(25);
  expect(condition()).toBe(true);
}

describe("a sensor that works", () => {
  test("greets, is told of as it is, and its records are handed on", async () => {
    const { sensor, heard } = sensorOf(script("good", [HELLO, EXEC]));
    sensor.start();
    await until(() => heard.records.length > 0 && sensor.status().beat !== undefined);
    expect(heard.began).toEqual(["on_exec=ok,on_module=No such file or directory"]);
    expect(heard.records).toEqual([4]);
    expect(sensor.status()).toMatchObject({
      state: "kernel",
      restarts: 0,
      beat: { generation: 5, records: [900, 0, 0, 0] },
    });
    expect(sensor.send(record(129, 48))).toBe(true);
    await sensor.stop();
    expect(heard.ended).toEqual([]);
    expect(sensor.status().state).toBe("off");
    expect(sensor.send(record(129, 48))).toBe(false);
  });

  test("by the process connector says so, why, and needs no connection in its canary", async () => {
    const canary = record(21, 32, (view) => view.setUint32(24, 4242, true));
    const [started, ended] = [4, 6].map((type) => record(type, 288, (view) => view.setUint32(16, 4242, true)));
    if (started === undefined || ended === undefined) throw new Error("no records");
    const answer = `dd bs=24 count=1 2>/dev/null >/dev/null; printf '%b' '${[canary, started, ended].map(octal).join("")}'`;
    const beats = `while :; do printf '%b' '${octal(BEAT)}'; sleep 0.2; done`;
    let skippedMs = 0;
    const { sensor } = sensorOf(script("connector", [CONNECTOR], `${answer}\n${beats}`), {
      clock: { nowMs: () => Date.now(), monotonicMs: () => performance.now() + skippedMs },
    });
    sensor.start();
    await until(() => sensor.status().state === "connector");
    expect(sensor.status().reason).toBe("Operation not permitted");
    skippedMs = 1_100;
    sensor.tick();
    await until(() => sensor.status().canary.seen === 1);
    await sensor.stop();
  });

  test("takes no policy before it has greeted", async () => {
    const { sensor } = sensorOf(script("silent", [], "sleep 5"));
    sensor.start();
    await until(() => sensor.status().state === "starting");
    expect(sensor.send(record(129, 48))).toBe(false);
    await sensor.stop();
  });
});

describe("a sensor that fails is told, with its last words, and started again", () => {
  const ways: readonly (readonly [string, readonly Uint8Array[], string, RegExp])[] = [
    [
      "that cannot load its programs",
      [],
      "echo 'sensor: the kernel refuses the programs: Operation not permitted' >&2; exit 69",
      /^the kernel refuses the programs: Operation not permitted$/,
    ],
    ["that ends without a word", [HELLO], "exit 3", /exit code 3/],
    ["that is killed", [HELLO], "kill -9 $$", /SIGKILL/],
    ["that writes nonsense", [HELLO, new Uint8Array(64).fill(255)], "sleep 5", /wrote a record of 65535 bytes/],
  ];
  for (const [name, first, then, reason] of ways) {
    test(name, async () => {
      const { sensor, heard } = sensorOf(script(name.replaceAll(" ", "-"), first, then));
      sensor.start();
      await until(() => heard.ended.length >= 2);
      expect(heard.ended[0]).toMatch(reason);
      expect(sensor.status().restarts).toBeGreaterThan(0);
      await sensor.stop();
    });
  }

  test("that falls silent", async () => {
    let skippedMs = 0;
    const { sensor, heard } = sensorOf(script("quiet", [HELLO], "sleep 20"), {
      clock: { nowMs: () => Date.now(), monotonicMs: () => performance.now() + skippedMs },
    });
    sensor.start();
    await until(() => heard.began.length === 1);
    sensor.tick();
    expect(heard.ended).toEqual([]);
    skippedMs = 3_500;
    sensor.tick();
    expect(heard.ended).toEqual(["it did not speak for 3 seconds"]);
    await sensor.stop();
  });

  test("that does not see its own canary: told once, restarted at the second", async () => {
    let skippedMs = 0;
    const { sensor, heard } = sensorOf(script("blind", [HELLO]), {
      clock: { nowMs: () => Date.now(), monotonicMs: () => performance.now() + skippedMs },
    });
    sensor.start();
    await until(() => heard.began.length === 1);
    for (let round = 0; round < 2; round++) {
      // Each step well within the time after which silence counts.
      for (let step = 0; step < 8; step++) {
        skippedMs += 1_000;
        await Bun.sleep(230);
        sensor.tick();
      }
    }
    await sensor.stop();
    expect(heard.missed.slice(0, 2)).toEqual([1, 2]);
    expect(heard.ended[0]).toBe("its own canary was not seen twice in a row");
  });

  test("that has eyes on files and does not see its own file", async () => {
    let skippedMs = 0;
    const hooks = "watched_files\tok\n";
    const hello = record(1, 40 + hooks.length, (view) => {
      view.setUint32(32, hooks.length, true);
      [...hooks].forEach((letter, index) => {
        view.setUint8(40 + index, letter.charCodeAt(0));
      });
    });
    const canary = record(21, 32, (view) => view.setUint32(24, 4242, true));
    const of = (type: number, sizeBytes: number) => record(type, sizeBytes, (view) => view.setUint32(16, 4242, true));
    const kernelParts = [canary, EXEC, of(7, 240), of(6, 48)].map(octal).join("");
    // It answers the first order with all but its file, the second with its file too.
    const answers = `read -r -n 24 order; printf '%b' '${kernelParts}'`;
    const beats = `(while :; do printf '%b' '${octal(BEAT)}'; sleep 0.2; done) & trap "kill $!" EXIT`;
    const then = `${beats}; ${answers}; ${answers}; printf '%b' '${octal(of(14, 40))}'; read -r order`;
    const path = script("half-blind", [hello], then);
    writeFileSync(path, (await Bun.file(path).text()).replace("#!/bin/sh", "#!/bin/bash"));
    const { sensor, heard } = sensorOf(path, {
      clock: { nowMs: () => Date.now(), monotonicMs: () => performance.now() + skippedMs },
      canaryFrame: () => new TextEncoder().encode("x".repeat(24)),
    });
    sensor.start();
    await until(() => heard.began.length === 1);
    for (let step = 0; step < 12 && sensor.status().canary.seen === 0; step++) {
      skippedMs += 1_000;
      await Bun.sleep(250);
      sensor.tick();
    }
    expect(heard.missed).toEqual([1]);
    expect(sensor.status().canary).toMatchObject({ seen: 1, missed: 1 });
    expect(heard.records).toEqual([]);
    await sensor.stop();
  });

  test("that this build does not have: said once, and not tried again", async () => {
    const { sensor, heard } = sensorOf(undefined);
    sensor.start();
    await until(() => heard.ended.length === 1);
    await Bun.sleep(300);
    expect(heard.ended).toEqual(["this build has no kernel sensor"]);
    await sensor.stop();
  });
});
