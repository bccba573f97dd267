// Changes of files in a host with real packages: what must be told is told once, at its level, and what a package manager,
// a log rotation or a site's own settings explain is not told above INFO.
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { type FindingRow, findingRows, severityOf } from "./findings.ts";
import { alerts, cli, configure, copyRelease, lastWords, mustInstall, waitUntil } from "./product.ts";
import { bootHost, type Host } from "./testhost.ts";

setDefaultTimeout(300_000);
const TOLD_WITHIN_MS = 60_000;
const DIRECTORIES = [
  "/etc/",
  "/root/",
  "/var/log/",
  "/opt/",
  "/boot/",
  "/usr/bin/",
  "/usr/sbin/",
  "/usr/lib/",
  "/usr/local/",
  "/var/spool/cron/",
  "/home/*/.ssh/",
  "/srv/",
];

let host: Host;
beforeAll(async () => {
  host = await bootHost();
  await host.must(`
    mkdir -p /srv/watched/many /srv/trusted /home/alice /root/.ssh
    echo one >/srv/watched/deleted
    echo '#!/bin/sh' >/usr/local/bin/made-executable
    printf 'Jan 1 sshd: one\\nJan 1 sshd: two\\n' | tee /var/log/auth.log >/var/log/kern.log
    echo old >/var/log/auth.log.1`);
  await copyRelease(host);
  await mustInstall(host);
  await configure(host, {
    PROTECTED_DIRECTORIES: DIRECTORIES,
    TRUSTED_DIRECTORIES: ["/srv/trusted/"],
    "SCAN_INTERVALS.filesystem": 5,
  });
  await waitUntil("the files are watched", isWatching, 180_000);
  await rounds(2);
});
afterAll(async () => {
  if (host !== undefined) await host.stop();
});

/** What is done, and the rule, severity and path that must be told for it. */
type Row = readonly [name: string, script: string, rule: string, severity: ReturnType<typeof severityOf>, path: string];
const TOLD: readonly Row[] = [
  [
    "a new setuid file",
    "cp /bin/true /usr/local/bin/suid-new; chmod 4755 /usr/local/bin/suid-new",
    "setuid_file_added",
    "ALERT",
    "/usr/local/bin/suid-new",
  ],
  ["setuid on a packaged program", "chmod u+s /usr/bin/find", "setuid_file_added", "ALERT", "/usr/bin/find"],
  ["a library for every program", ": >/etc/ld.so.preload", "ld_so_preload_changed", "ALERT", "/etc/ld.so.preload"],
  ["a replaced program of a package", "echo >>/usr/bin/ldd", "packaged_program_replaced", "ALERT", "/usr/bin/ldd"],
  [
    "a replaced program with its old times",
    "touch -r /usr/bin/tzselect /root/stamp; echo >>/usr/bin/tzselect; touch -r /root/stamp /usr/bin/tzselect",
    "packaged_program_replaced",
    "ALERT",
    "/usr/bin/tzselect",
  ],
  ["readable password hashes", "chmod 644 /etc/gshadow", "password_hashes_readable", "ALERT", "/etc/gshadow"],
  [
    "a module of authentication",
    "echo x >$(dirname $(find /usr/lib -name pam_deny.so))/pam_x.so",
    "pam_module_added",
    "ALERT",
    "/pam_x.so",
  ],
  [
    "a sudo rule",
    "echo 'x ALL=(root) /bin/true' >/etc/sudoers.d/x",
    "sudo_rule_changed",
    "WARNING",
    "/etc/sudoers.d/x",
  ],
  ["an account", "useradd -M -s /usr/sbin/nologin newbie", "account_file_changed", "WARNING", "/etc/passwd"],
  [
    "a key in a directory of keys that was made just now",
    "install -d -m 700 -o root /home/alice/.ssh; echo 'ssh-ed25519 AAAA x' >/home/alice/.ssh/authorized_keys",
    "authorized_keys_changed",
    "WARNING",
    "/home/alice/.ssh/authorized_keys",
  ],
  ["a cron job", "echo '0 0 1 1 * root true' >/etc/cron.d/x", "scheduled_job_changed", "WARNING", "/etc/cron.d/x"],
  ["a unit", "echo '[Service]' >/etc/systemd/system/x.service", "systemd_unit_changed", "WARNING", "/x.service"],
  [
    "a program of no package",
    "echo '#!/bin/sh' >/usr/bin/x; chmod 755 /usr/bin/x",
    "program_added_to_system",
    "WARNING",
    "/usr/bin/x",
  ],
  [
    "a file made executable",
    "chmod 755 /usr/local/bin/made-executable",
    "program_added_to_system",
    "WARNING",
    "/made-executable",
  ],
  ["a packaged program deleted", "mv /usr/bin/pinky /var/tmp/", "system_file_deleted", "WARNING", "/usr/bin/pinky"],
  ["another owner", "chown games /usr/bin/factor", "system_file_permissions_changed", "WARNING", "/usr/bin/factor"],
  ["another mode", "chmod 700 /usr/bin/nproc", "system_file_permissions_changed", "WARNING", "/usr/bin/nproc"],
  [
    "a file for everybody to write",
    "echo >/etc/w.conf; chmod 666 /etc/w.conf",
    "system_file_writable_by_all",
    "WARNING",
    "/etc/w.conf",
  ],
  ["a log emptied in place", ": >/var/log/kern.log", "security_log_cleared", "WARNING", "/var/log/kern.log"],
  ["our own rules", "echo >/opt/.monitor/rules.d/x.txt", "own_files_changed", "WARNING", "/opt/.monitor/rules.d/x.txt"],
  ["a file elsewhere deleted", "rm /srv/watched/deleted", "protected_file_changed", "INFO", "/srv/watched/deleted"],
];

describe("changes of files", () => {
  beforeAll(async () => {
    for (const [name, script] of TOLD) {
      const done = await host.exec(script);
      if (done.exitCode !== 0) throw new Error(`${name}: ${done.stderr}`);
    }
  });

  test.each(TOLD)("%s is told", async (_name, _script, rule, severity, path) => {
    const found = await untilFound(rule, path);
    expect(severityOf(found)).toBe(severity);
  });

  test("a change is told once", async () => {
    await rounds(2);
    const rows = await findingRows(host, "rule_name = 'ld_so_preload_changed'");
    expect(rows.length).toBe(1);
  });

  test("thirty programs in one directory are one alert with their number", async () => {
    await host.must("mkdir -p /usr/local/sbin; for n in $(seq 30); do cp /bin/true /usr/local/sbin/many-$n; done");
    await untilFound("program_added_to_system", "/usr/local/sbin/many-30");
    await rounds(1);
    const rows = await findingRows(host, "rule_name = 'program_added_to_system'");
    const ids = new Set(rows.filter(({ path }) => path?.startsWith("/usr/local/sbin/many-")).map(({ alert }) => alert));
    expect(ids.size).toBe(1);
    const alert = (await alerts(host, "--rule program_added_to_system")).find(({ id }) => ids.has(id));
    expect(alert?.count).toBe(30);
  });

  test("what is trusted by its file is not told again, and nothing else is trusted with it", async () => {
    const found = await untilFound("scheduled_job_changed", "/etc/cron.d/x");
    const trusted = await cli(host, `trust ${found.alert} --reason 'test of exceptions' --yes`);
    expect(`${trusted.exitCode} ${trusted.stderr}`).toBe("0 ");
    expect(host.readFile("/opt/.monitor/config.json")).toMatch(/"file":\s*"\/etc\/cron\.d\/x"/);
    const before = (await alerts(host, "--rule scheduled_job_changed")).find(({ id }) => id === found.alert)?.count;
    await host.must("echo '# again' >>/etc/cron.d/x; echo '0 0 1 1 * root true' >/etc/cron.d/y");
    await untilFound("scheduled_job_changed", "/etc/cron.d/y");
    const after = (await alerts(host, "--rule scheduled_job_changed")).find(({ id }) => id === found.alert)?.count;
    expect(after).toBe(before);
  });
});

/** What is done, and a part of the paths concerned: not one finding about them above INFO. */
const QUIET: readonly (readonly [name: string, script: string, path: string])[] = [
  ["a package is installed", "apt-get install -y /opt/algo-tiny_1.deb", "algo-tiny"],
  ["a package is upgraded", "apt-get install -y /opt/algo-tiny_2.deb", "algo-tiny"],
  ["a service of a package is enabled", "systemctl enable algo-tiny.service", "algo-tiny"],
  ["a package is purged", "apt-get purge -y algo-tiny", "algo-tiny"],
  [
    "logs are rotated",
    `gzip -c /var/log/auth.log.1 >/var/log/auth.log.2.gz
     mv /var/log/auth.log /var/log/auth.log.1; install -m 640 /dev/null /var/log/auth.log; echo new >>/var/log/auth.log`,
    "/var/log/auth",
  ],
  ["a log grows", "echo more >>/var/log/auth.log", "/var/log/auth"],
  [
    "odd modes below a trusted directory",
    "cp /bin/true /srv/trusted/suid; chmod 4755 /srv/trusted/suid; echo >/srv/trusted/open; chmod 666 /srv/trusted/open",
    "/srv/trusted/",
  ],
  ["a file is only read", "touch -a /etc/passwd; cat /etc/shadow >/dev/null", "/etc/shadow-read"],
];

describe("ordinary work is quiet:", () => {
  beforeAll(async () => {
    await host.must(tinyPackage("1"));
    await host.must(tinyPackage("2"));
  });

  for (const [name, script, path] of QUIET) {
    test(name, async () => {
      await host.must(script, { timeoutMs: 120_000 });
      await rounds(2);
      const loud = (await findingRows(host)).filter((row) => row.path?.includes(path) && severityOf(row) !== "INFO");
      expect(loud.map((row) => `${row.rule}: ${row.title}`)).toEqual([]);
    });
  }

  test("the watch saw all that: the setuid file of the trusted directory is on record", async () => {
    const found = await untilFound("protected_file_changed", "/srv/trusted/suid");
    expect(severityOf(found)).toBe("INFO");
  });
});

/** A package with a program, a setuid program, data, a configuration file and a unit. */
function tinyPackage(version: string): string {
  return `
    set -e
    d=/var/tmp/tiny-${version}
    mkdir -p $d/DEBIAN $d/usr/bin $d/usr/lib/algo-tiny $d/usr/lib/systemd/system $d/etc/cron.d
    printf '#!/bin/sh\\n# ${version}\\n' | tee $d/usr/bin/algo-tiny >$d/usr/bin/algo-tiny-su
    chmod 755 $d/usr/bin/algo-tiny; chmod 4755 $d/usr/bin/algo-tiny-su
    echo ${version} >$d/usr/lib/algo-tiny/data
    ln -s algo-tiny $d/usr/bin/algo-tiny-link
    printf '[Service]\\nExecStart=/bin/true\\n# ${version}\\n[Install]\\nWantedBy=multi-user.target\\n' >$d/usr/lib/systemd/system/algo-tiny.service
    echo '# ${version}' >$d/etc/cron.d/algo-tiny
    echo /etc/cron.d/algo-tiny >$d/DEBIAN/conffiles
    printf 'Package: algo-tiny\\nVersion: ${version}\\nArchitecture: all\\nMaintainer: x <x@example.org>\\nDescription: x\\n' >$d/DEBIAN/control
    (cd $d && md5sum $(find usr -type f) >DEBIAN/md5sums)
    dpkg-deb --root-owner-group --build $d /opt/algo-tiny_${version}.deb`;
}

async function isWatching(): Promise<boolean> {
  const asked = await cli(host, "files status --json");
  return /"state":\s*"watching"/.test(asked.stdout) && asked.stdout.includes('"/srv/"');
}

/** Waits until so many further rounds over the files have ended. */
async function rounds(count: number): Promise<void> {
  for (let round = 0; round < count; round++) {
    const before = await lastRoundAtMs();
    await waitUntil("a round over the files", async () => (await lastRoundAtMs()) > before, 120_000);
  }
}

async function lastRoundAtMs(): Promise<number> {
  const asked = await cli(host, "files status --json");
  return Number(/"lastRound":\s*\{\s*"atMs":\s*(\d+)/.exec(asked.stdout)?.[1] ?? 0);
}

async function untilFound(rule: string, path: string): Promise<FindingRow> {
  const find = async () =>
    (await findingRows(host, `rule_name = '${rule}'`)).find((row) => row.path?.endsWith(path) === true);
  await waitUntil(`${rule}: ${path}`, async () => (await find()) !== undefined, TOLD_WITHIN_MS).catch(
    async (thrown) => {
      const all = (await findingRows(host)).map((row) => `${row.rule}: ${row.title}`);
      throw new Error(`${thrown}\n${all.slice(-60).join("\n")}\n${await lastWords(host)}`);
    },
  );
  const found = await find();
  if (found === undefined) throw new Error(`the finding of ${rule} has gone`);
  return found;
}
