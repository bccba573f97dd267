// The old service's file with its wide lists, in enforce mode, on a host that lives an ordinary day: cron, logins, log
// rotation, a web server, a developer, an upgrade of 20 packages. No ALERT, no kill, at most 20 WARNINGs.
// ALGO_IDLE_MINUTES (default 60) says how long.
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { findingRows, severityOf } from "../findings.ts";
import { prepareInnocents } from "../innocents.ts";
import { alerts, copyRelease, HOME, lastWords, mustInstall, showAlert, status, waitForScans } from "../product.ts";
import { bootHost, type Host } from "../testhost.ts";

const MINUTES = Number(process.env["ALGO_IDLE_MINUTES"] ?? "60");
const WARNINGS_MAX = 20;
const LOGIN_EVERY_MS = Math.min(300_000, (MINUTES * 60_000) / 3);
setDefaultTimeout((MINUTES + 15) * 60_000);

/** None of them demands an exact version of another. sudo is setuid, cron is a running service. */
const UPGRADED = (
  "sed grep gzip tar findutils diffutils hostname mawk rsync socat tmux screen strace psmisc make logrotate man-db wget " +
  "cron sudo"
).split(" ");

const CRON = `* * * * * root find /var/www -type f | xargs -r cat | gzip >/var/backups/www.gz
* * * * * alice cd /home/alice && /bin/sh -c 'date >>/home/alice/cron.log; logger -t alice done'
*/2 * * * * root test -x /usr/sbin/nginx && /usr/sbin/nginx -t -q
`;
const NGINX = `server { listen 8080 default_server; root /var/www/html; access_log /var/log/nginx/site.log; }\n`;
const DEVELOPER = `cd /home/alice/project && while sleep 45; do
  make -s clean all && ./hello >/dev/null && git add -A && git commit -qm step && git show --stat HEAD | cat >/dev/null
done`;
const MAKEFILE = "all: hello\nhello: hello.c\n\tgcc -O1 -o hello hello.c\nclean:\n\trm -f hello\n";

describe("an ordinary day with the old configuration", () => {
  let host: Host;
  beforeAll(async () => {
    host = await bootHost();
    await prepareInnocents(host);
    await prepareDay(host);
    await copyRelease(host);
    await host.must(`mkdir -p ${HOME} && cp /opt/innocent/old_service/config.json ${HOME}/config.json`);
    await mustInstall(host);
  });
  afterAll(async () => {
    if (host !== undefined) await host.stop();
  });

  test(`${MINUTES} minutes and an upgrade of ${UPGRADED.length} packages`, async () => {
    expect((await status(host)).mode).toBe("enforce");
    await live(host, MINUTES * 60_000);
    await waitForScans(host, 2);
    const found = await alerts(host);
    const kills = (await status(host)).counts.kills;
    // Silence of an eye that is shut proves nothing.
    const files = JSON.parse(await host.must("algo-monitor files status --json"));
    expect(files.state).toBe("watching");
    const loud = found.filter((alert) => alert.severity === "WARNING" || alert.severity === "ALERT");
    for (const alert of loud) console.log(await oneLine(alert));
    const infos = (await findingRows(host)).filter((row) => severityOf(row) === "INFO").length;
    console.log(
      `${loud.length} alerts from WARNING up, ${infos} INFO findings, ${found.length} alerts in all; ${files.entries} files`,
    );
    expect(kills, await lastWords(host)).toBe(0);
    expect(found.filter((alert) => alert.severity === "ALERT").map((alert) => alert.title)).toEqual([]);
    expect(loud.length).toBeLessThanOrEqual(WARNINGS_MAX);
  });

  async function oneLine(alert: { id: string; severity: string; count: number; title: string }): Promise<string> {
    const detail = (await showAlert(host, alert.id)).split("\n").slice(0, 14).join("\n    ");
    return `${alert.severity} x${alert.count} ${alert.title}\n    ${detail}`;
  }
});

async function prepareDay(host: Host): Promise<void> {
  host.copyIn(join(import.meta.dir, "../programs/repack.sh"), "/root/repack.sh");
  await host.must(`bash /root/repack.sh /srv/repo ${UPGRADED.join(" ")}`, { timeoutMs: 180_000 });
  await host.writeFile("/etc/nginx/conf.d/site.conf", NGINX);
  await host.writeFile("/home/alice/project/Makefile", MAKEFILE);
  await host.writeFile("/home/alice/project/hello.c", '#include <stdio.h>\nint main(void) { puts("hello"); }\n');
  await host.must(`
    cd /home/alice/project && git init -q . && git config user.email a@b && git config user.name alice
    echo '# notes' >README && chown -R alice: /home/alice
    rm -f /etc/nginx/sites-enabled/default && mkdir -p /var/www/html && echo ok >/var/www/html/index.html
    systemctl start nginx`);
}

/** Until the time is over; what happens once happens spread over it. */
async function live(host: Host, spanMs: number): Promise<void> {
  await host.writeFile("/etc/cron.d/life", CRON);
  const running = [
    host.attacker.start("while sleep 2; do curl -s -o /dev/null http://guarded:8080/; done"),
    host.attacker.start(
      `while true; do ssh alice@guarded 'uptime; ls -la; sleep 20' </dev/null; sleep ${Math.ceil(LOGIN_EVERY_MS / 1000)}; done`,
    ),
    host.attacker.start(`ssh alice@guarded ${JSON.stringify(DEVELOPER)} </dev/null`),
  ];
  const once: readonly string[] = [
    "systemctl start systemd-tmpfiles-clean.service",
    "systemctl start logrotate.service; logrotate -f /etc/logrotate.conf",
    "systemctl start man-db.service",
    "systemctl start --no-block apt-daily.service dpkg-db-backup.service",
    "systemctl restart nginx cron ssh",
    "echo '127.0.1.1 guarded' >>/etc/hosts",
  ];
  const startedAt = performance.now();
  const at = (share: number): Promise<void> => Bun.sleep(Math.max(0, spanMs * share - (performance.now() - startedAt)));
  try {
    for (const [index, script] of once.entries()) {
      await at((index + 1) / (once.length + 4));
      await host.exec(script, { timeoutMs: 300_000 });
    }
    await at((once.length + 1) / (once.length + 4));
    await upgrade(host);
    await at(1);
  } finally {
    for (const one of running) one.stop();
  }
}

/** As an administrator does it: over ssh. */
async function upgrade(host: Host): Promise<void> {
  const done = await host.attacker.exec(
    "ssh root@guarded 'apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get upgrade -y -q' </dev/null",
    600_000,
  );
  expect(done.exitCode, done.stdout + done.stderr).toBe(0);
  const versions = await host.must(`dpkg-query -W -f '\${Version}\\n' ${UPGRADED.join(" ")}`);
  expect(versions.split("\n").filter((version) => version.endsWith("+site1")).length).toBe(UPGRADED.length);
}
