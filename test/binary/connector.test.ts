// The step between BPF and the scan for real: the sensor hears of starts by the kernel's process connector. It stops
// nothing, so it may run here; where the connector answers nobody (a container, no root) it must say so.
import { expect, test } from "bun:test";
import { wordOf } from "../../src/daemon/kernel_words.ts";
import { createFramer } from "../../src/sensor/framing.ts";
import { helloOf, RECORD } from "../../src/sensor/own_records.ts";
import { buildSensor } from "../../src/tools/build_sensor.ts";

test("starts are heard while they can still be read, or the reason is said", async () => {
  const executable = buildSensor();
  const sensor = Bun.spawn([executable, "connector"], { stdin: "pipe", stdout: "pipe", stderr: "pipe" });
  const framer = createFramer();
  const records: Uint8Array[] = [];
  let hasGreeted = false;
  let child: Bun.Subprocess | undefined;
  for await (const bytes of sensor.stdout) {
    records.push(...framer.take(bytes).records.map((record) => record.slice()));
    if (!hasGreeted) {
      hasGreeted = true;
      child = Bun.spawn(["sleep", "0.3"]);
      void child.exited.then(() => Bun.sleep(200)).then(() => sensor.stdin.end());
    }
  }
  if (child === undefined) {
    expect(await new Response(sensor.stderr).text()).toMatch(/^sensor: not asked for; the process connector: .+\n$/);
    return;
  }
  expect(records.filter((record) => record[2] === RECORD.hello).map((record) => helloOf(record).step)).toEqual([
    "connector",
  ]);
  const { pid } = child;
  const words = records.flatMap((record) => wordOf(record, 0) ?? []);
  const about = words.flatMap((word) => {
    if (word.kind === "exec") return word.exec.task.ref.pid === pid ? [`exec ${word.exec.argv.join(" ")}`] : [];
    return (word.kind === "fork" || word.kind === "exit") && word.ref.pid === pid ? [word.kind] : [];
  });
  // A fork that becomes a program at once may be over before it can be read.
  expect(about.filter((what) => what !== "fork")).toEqual(["exec sleep 0.3", "exit"]);
  expect(await sensor.exited).toBe(0);
}, 60_000);
