// Runs the innocent scenarios in a host: sets up both sides, starts everything, says who is still alive.
// `bun test/host/innocents.ts [shapes-file]` runs them without the product and writes what they look like.
import { join } from "node:path";
import { AGREED, GREETINGS } from "./innocents/agreed.ts";
import { CLIENTS } from "./innocents/clients.ts";
import { EVERYDAY } from "./innocents/everyday.ts";
import { KEEPALIVE } from "./innocents/keepalive.ts";
import { OPERATIONS } from "./innocents/operations.ts";
import type { Innocent } from "./innocents/row.ts";
import { SERVERS } from "./innocents/servers.ts";
import { SSH } from "./innocents/ssh.ts";
import { describeShape, shapesOf } from "./shapes.ts";
import { bootHost, type Host } from "./testhost.ts";

export const INNOCENTS: readonly Innocent[] = [
  ...SSH,
  ...EVERYDAY,
  ...SERVERS,
  ...CLIENTS,
  ...KEEPALIVE,
  ...AGREED,
  ...OPERATIONS,
];
/** Two scans of five seconds and a margin. */
export const WATCH_MS = 13_000;
const START_AT_ONCE = 8;
/** What an installer does line by line: looks around, downloads, unpacks, writes. */
const INSTALLER = `set -e
arch=$(uname -m); kernel=$(uname -s | tr A-Z a-z)
command -v curl >/dev/null || exit 1
work=$(mktemp -d)
curl -fsS http://remote:8080/echo.sh >$work/echo.sh
curl -fsS http://remote:8080/step.sh | cat >$work/step.sh
sha256sum $work/echo.sh | cut -d' ' -f1 >/dev/null
chmod 755 $work/echo.sh && sh $work/echo.sh >/dev/null
curl -fsS http://remote:8080/echo.sh | sh >/dev/null
rm -r $work; echo installed for $arch on $kernel
`;

export interface Running {
  readonly innocent: Innocent;
  readonly unit: string;
  /** Undefined where nothing runs on the remote side. */
  readonly client?: { readonly stop: () => void; readonly isAlive: () => boolean };
  readonly traffic?: { readonly stop: () => void };
  readonly startFault?: string;
}

/** Keys, an sshd on the remote side, a repository to clone, redis, and the remote side's web and database server. */
export async function prepareInnocents(host: Host): Promise<void> {
  host.copyIn(join(import.meta.dir, "programs"), "/opt/innocent");
  await host.must(`
    chmod 755 /opt/innocent/*.sh /opt/innocent/*.py /opt/innocent/*.exp && chown -R root:root /opt/innocent
    head -c 60M /dev/zero >/opt/innocent/large
    printf '#!/bin/sh\\nsleep 400\\nexec git-upload-pack "$@"\\n' >/opt/innocent/slow-upload-pack && chmod 755 /opt/innocent/slow-upload-pack
    git init -q --bare /opt/innocent/repo.git && git config --system --add safe.directory '*'
    for home in /root /home/alice; do
      mkdir -p $home/.ssh && chmod 700 $home/.ssh
      [ -f /root/.ssh/id_ed25519 ] || ssh-keygen -q -t ed25519 -N '' -f /root/.ssh/id_ed25519
      [ $home = /root ] || cp /root/.ssh/id_ed25519* $home/.ssh/
      cp /root/.ssh/id_ed25519.pub $home/.ssh/authorized_keys
    done
    chown -R alice /home/alice/.ssh
    printf 'Host *\\n StrictHostKeyChecking no\\n UserKnownHostsFile /dev/null\\n LogLevel ERROR\\n' >/etc/ssh/ssh_config.d/test.conf
    printf 'MaxStartups 100\\nMaxSessions 50\\n' >/etc/ssh/sshd_config.d/test.conf
    systemctl restart ssh; systemctl start redis-server; chmod 711 /root`);
  const { attacker } = host;
  const install = "for i in $(seq 500); do date | cat; sleep 1; done\n";
  attacker.order({
    do: "http",
    port: 8080,
    files: {
      "/install.sh": install,
      "/long.sh": install + `# ${"x".repeat(120)}\n`.repeat(12_000),
      "/echo.sh": "echo hello; date | cat; id >/dev/null\n",
      "/step.sh": "set -e\nuname -a\nls / | wc -l\nbash -c 'date | cat'\n",
      "/installer.sh": INSTALLER,
    },
  });
  attacker.order({ do: "http", port: 8443, tls: true, files: {} });
  attacker.order({ do: "banner", port: 3307, banner: "220 remote ready, 8.0.36-database" });
  for (const { port, says } of GREETINGS) attacker.order({ do: "banner", port, banner: says });
  attacker.order({ do: "banner", port: 3309, banner: "Echo of the day: printing is done, for now" });
  attacker.order({ do: "banner", port: 3308, banner: "220 mail.example.org ESMTP Postfix", reply: "250 2.0.0 Ok" });
  attacker.order({ do: "banner", port: 3309, banner: "" });
  // The remote side has the host's file system but no /dev/pts of its own: terminals need one.
  const terminals =
    "mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts /dev/pts && mount --bind /dev/pts/ptmx /dev/ptmx";
  attacker.start(`mkdir -p /run/sshd; ${terminals}; exec /usr/sbin/sshd -D -o PidFile=none`);
  const sshUp = await attacker.exec("for i in $(seq 50); do nc -z remote 22 && exit 0; sleep 0.1; done; exit 1");
  if (sshUp.exitCode !== 0) throw new Error(`innocents: the remote side's sshd does not answer: ${sshUp.stderr}`);
}

/** All set-ups first: a daemon-reload while a transient unit is being started changes the quoting of its command line. */
export async function startInnocents(host: Host, rows: readonly Innocent[]): Promise<Running[]> {
  const faults = await inBatches(rows, (innocent, index) => setUp(host, innocent, unitOf(index)));
  await host.must("systemctl daemon-reload");
  return inBatches(rows, async (innocent, index) => {
    const fault = faults[index];
    return fault === undefined
      ? startOne(host, innocent, unitOf(index))
      : { innocent, unit: unitOf(index), startFault: fault };
  });
}

function unitOf(index: number): string {
  return `inn-${index}`;
}

async function inBatches<T, R>(rows: readonly T[], work: (row: T, index: number) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (let first = 0; first < rows.length; first += START_AT_ONCE) {
    results.push(
      ...(await Promise.all(rows.slice(first, first + START_AT_ONCE).map((row, index) => work(row, first + index)))),
    );
  }
  return results;
}

async function faultOf(work: () => Promise<void>): Promise<string | undefined> {
  try {
    await work();
    return undefined;
  } catch (thrown) {
    return thrown instanceof Error ? thrown.message : String(thrown);
  }
}

function setUp(host: Host, innocent: Innocent, unit: string): Promise<string | undefined> {
  return faultOf(async () => {
    if (innocent.setup !== undefined) await host.must(innocent.setup);
    if (innocent.run.as === "service") {
      await host.writeFile(`/etc/systemd/system/${unit}.service`, `[Service]\n${innocent.run.lines.join("\n")}\n`);
    }
  });
}

async function startOne(host: Host, innocent: Innocent, unit: string): Promise<Running> {
  const { run } = innocent;
  const client = run.as === "remote" ? { client: host.attacker.start(run.script) } : {};
  const startFault = await faultOf(async () => {
    if (run.as === "unit") await host.start(unit, run.script, run.user === undefined ? {} : { user: run.user });
    if (run.as === "service") await host.must(`systemctl start ${unit}`);
  });
  const traffic = innocent.traffic === undefined ? {} : { traffic: host.attacker.start(innocent.traffic) };
  return { innocent, unit, ...client, ...traffic, ...(startFault === undefined ? {} : { startFault }) };
}

/** Of those that are not alive: the name and why. */
export async function findDead(host: Host, running: readonly Running[]): Promise<string[]> {
  const dead = await Promise.all(
    running.map(async (one) => {
      const why = await whyDead(host, one);
      return why === undefined ? [] : [`${one.innocent.name}: ${why}`];
    }),
  );
  return dead.flat();
}

async function whyDead(host: Host, one: Running): Promise<string | undefined> {
  if (one.startFault !== undefined) return `did not start: ${one.startFault}`;
  if (one.client !== undefined && !one.client.isAlive()) return "the remote client ended";
  const { run, alive } = one.innocent;
  if (alive !== undefined) {
    const checked = await host.exec(alive);
    return checked.exitCode === 0 ? undefined : `\`${alive}\` says no (${checked.exitCode}) ${checked.stderr.trim()}`;
  }
  if (run.as === "remote" || (await host.pidsOf(one.unit)).length > 0) return undefined;
  const log = await host.exec(`journalctl -q -o cat --no-pager -n 5 -u ${one.unit}`);
  return `its unit ended: ${log.stdout.trim().slice(-300)}`;
}

export async function stopInnocents(host: Host, running: readonly Running[]): Promise<void> {
  await Promise.all(
    running.map(async (one) => {
      one.traffic?.stop();
      one.client?.stop();
      if (one.innocent.run.as === "unit" || one.innocent.run.as === "service") await host.stopUnit(one.unit);
      if (one.innocent.cleanup !== undefined) await host.exec(one.innocent.cleanup);
    }),
  );
}

if (import.meta.main) {
  const host = await bootHost();
  try {
    await prepareInnocents(host);
    const running = await startInnocents(host, INNOCENTS);
    await Bun.sleep(WATCH_MS);
    const dead = await findDead(host, running);
    console.log(`${running.length - dead.length} of ${running.length} innocents are alive after ${WATCH_MS / 1000} s`);
    for (const line of dead) console.log(`  ${line}`);
    const file = process.argv[2];
    if (file !== undefined) await writeShapes(host, running, file);
  } finally {
    await host.stop();
  }
  process.exit();
}

async function writeShapes(host: Host, running: readonly Running[], file: string): Promise<void> {
  const others = ["ssh", "cron", "atd", "xinetd", "nginx", "php8.2-fpm", "system-inn\\\\x2dline.slice", "user.slice"];
  const named = running.filter((one) => one.innocent.run.as === "unit" || one.innocent.run.as === "service");
  const shapes = await shapesOf(host, [...named.map((one) => one.unit), ...others.map((name) => `'${name}'`)]);
  const parts = [...shapes].map(([unit, shape]) => {
    const name = named.find((one) => one.unit === unit)?.innocent.name ?? `everything in ${unit}`;
    return `### ${unit} | ${name}\n${describeShape(shape)}`;
  });
  await Bun.write(file, `${parts.join("\n\n")}\n`);
}
