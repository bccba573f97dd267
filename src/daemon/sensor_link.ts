/**
 * Joins the kernel sensor's process with the daemon's head: what it says goes in as words, what is in force goes down
 * as frames, and its comings and goings are told: BPF, else the process connector, else the scans alone.
 */
import type { Clock } from "../core/clock.ts";
import { bootedAtMs } from "../host/boot_clock.ts";
import { createSensor, type Sensor } from "../sensor/client.ts";
import { sensorExecutable } from "../sensor/embedded.ts";
import type { Degradations } from "./degradations.ts";
import type { Kernel } from "./kernel.ts";
import { canaryFrame, stopFrame } from "./kernel_frames.ts";
import { wordOf } from "./kernel_words.ts";

/** The end of a connection: the scan sees that too, and nothing waits for it. */
const CLOSE = 10;
const PART = "kernel sensor";
const REMEDY = "sudo algo-monitor doctor; the scans guard every five seconds meanwhile, and it is tried again";
const CONNECTOR_REMEDY = "sudo algo-monitor doctor; BPF is tried again every ten minutes";

export interface SensorLinkParts {
  readonly clock: Clock;
  readonly kernel: () => Kernel;
  readonly isWanted: () => boolean;
  readonly degradations: Degradations;
  readonly say: (message: string) => void;
}

export interface SensorLink extends Pick<Sensor, "send" | "stop" | "status" | "pid"> {
  /** Once a second: starts and stops it as the configuration says, and watches it. */
  tick(): void;
  /** Once it has its policy or cannot be had, at the latest after this time. */
  settled(withinMs: number): Promise<void>;
}

export function createSensorLink(parts: SensorLinkParts): SensorLink {
  const { clock, degradations } = parts;
  /** What guards now, as far as it was told. */
  let told: "nothing" | "kernel" | "connector" | "scans" = "nothing";
  let senseless = 0;
  let settle = (): void => {};
  const settling = new Promise<void>((resolve) => {
    settle = resolve;
  });
  let isOn = false;
  const sensor = createSensor({
    clock,
    executable: sensorExecutable,
    canaryFrame,
    stopFrame,
    onBegan: (hello) => {
      if (hello.step === "connector") {
        stepDown(hello.hooks.find(({ name }) => name === "bpf")?.answer ?? "");
        settle();
        return;
      }
      parts.kernel().began();
      const missing = hello.hooks
        .filter(({ answer }) => answer !== "ok")
        .map(({ name, answer }) => `${name} (${answer})`);
      const lacks = missing.length === 0 ? "" : `; this kernel lacks ${missing.join(", ")}`;
      if (told === "connector" || told === "scans")
        degradations.phase(PART, { kind: "io", message: `it watches again${lacks}` }, "ends");
      else parts.say(`the kernel sensor watches: what is certain is stopped before its first instruction${lacks}`);
      told = "kernel";
      settle();
    },
    onRecord: (record) => {
      if (record[2] === CLOSE) return;
      const word = wordOf(record, bootedAtMs(clock.nowMs()));
      if (word !== undefined) parts.kernel().hear(word);
      else if (senseless++ === 0) degradations.note(PART, "it wrote a record of an unknown kind", "please report this");
    },
    onEnded: (reason) => {
      parts.kernel().ended();
      const message = `it does not watch: ${reason}`;
      degradations.phase(PART, { kind: "unsupported", message, remedy: REMEDY }, told === "scans" ? "once" : "begins");
      told = "scans";
      settle();
    },
    onMissedCanary: (missed) => {
      const then = missed >= 2 ? "it is restarted" : "if the next one is missed too it is restarted";
      degradations.note(PART, `it did not see its own exec, connection or file; ${then}`, "sudo algo-monitor status");
    },
  });
  return { ...sensor, tick, settled };

  function stepDown(reason: string): void {
    if (told === "connector") return;
    told = "connector";
    const message =
      `BPF is refused (${reason}), so the process connector takes over: the scan looks at once where an interpreter, ` +
      "a relay tool or an unknown program starts; nothing is stopped or held in the kernel";
    degradations.phase(PART, { kind: "unsupported", message, remedy: CONNECTOR_REMEDY }, "begins");
  }

  async function settled(withinMs: number): Promise<void> {
    if (isOn) await Promise.race([settling, Bun.sleep(withinMs)]);
  }

  function tick(): void {
    const wanted = parts.isWanted();
    if (wanted !== isOn) {
      isOn = wanted;
      if (wanted) sensor.start();
      else void sensor.stop().then(() => parts.kernel().ended());
    }
    sensor.tick();
  }
}
