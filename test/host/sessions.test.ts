// Logins in a host with a real sshd and systemd: who came, from where and how, once, also over a restart of the daemon.
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { globSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { type Alert, alerts, cli, configure, copyRelease, lastWords, mustInstall, waitUntil } from "./product.ts";
import { bootHost, type Host } from "./testhost.ts";

setDefaultTimeout(180_000);
const ROOT = join(import.meta.dir, "../..");
/** Two scans, the journal, and a slow machine. */
const TOLD_WITHIN_MS = 30_000;

let host: Host;
beforeAll(async () => {
  host = await bootHost();
  await host.must(`
    ssh-keygen -q -t ed25519 -N '' -f /root/.ssh/id_ed25519 || { mkdir -p -m 700 /root/.ssh; ssh-keygen -q -t ed25519 -N '' -f /root/.ssh/id_ed25519; }
    for user in alice www-data; do
      home=$(getent passwd $user | cut -d: -f6)
      mkdir -p $home/.ssh && chmod 700 $home/.ssh && cp /root/.ssh/id_ed25519.pub $home/.ssh/authorized_keys
      chown -R $user $home
    done
    usermod -s /bin/bash www-data
    echo root:correct-horse | chpasswd
    printf '#!/bin/sh\\necho correct-horse\\n' >/root/ask && chmod 700 /root/ask
    printf 'Host *\\n StrictHostKeyChecking no\\n UserKnownHostsFile /dev/null\\n LogLevel ERROR\\n' >/etc/ssh/ssh_config.d/test.conf
    printf 'PermitRootLogin yes\\nMaxStartups 100\\n' >/etc/ssh/sshd_config.d/test.conf
    systemctl restart ssh`);
  await copyRelease(host);
  await mustInstall(host);
});
afterAll(async () => {
  if (host !== undefined) await host.stop();
});

/** Alerts of a rule whose sentence has all these words. */
async function told(rule: string, ...words: readonly string[]): Promise<Alert[]> {
  return (await alerts(host, `--rule ${rule}`)).filter(({ title }) => words.every((word) => title.includes(word)));
}

async function untilTold(rule: string, ...words: readonly string[]): Promise<Alert> {
  const isTold = async (): Promise<boolean> => (await told(rule, ...words)).length > 0;
  await waitUntil(`${rule}: ${words.join(", ")}`, isTold, TOLD_WITHIN_MS).catch(async (thrown) => {
    const all = (await alerts(host)).map((alert) => `${alert.severity} ${alert.rule.name}: ${alert.title}`);
    throw new Error(`${thrown}\n${all.join("\n")}\n${await lastWords(host)}`);
  });
  const [found] = await told(rule, ...words);
  if (found === undefined) throw new Error(`the alert of ${rule} has gone`);
  return found;
}

describe("logins", () => {
  test("by ssh with a key are an INFO with user, address and method, and so is the logout, with its duration", async () => {
    const client = host.attacker.start("sleep 600 | ssh -tt alice@guarded");
    const login = await untilTold("login", "alice", host.attacker.address, "sshd by publickey on pts/");
    expect(login.severity).toBe("INFO");
    const listed = await cli(host, "sessions --json");
    expect(listed.stdout).toContain(host.attacker.address);
    client.stop();
    const logout = await untilTold("logout", "alice", host.attacker.address, "sshd by publickey");
    expect(logout.title).toMatch(/logged out after \d+ s/);
  });

  test("of root by password are a WARNING", async () => {
    const askpass = "SSH_ASKPASS=/root/ask SSH_ASKPASS_REQUIRE=force DISPLAY=none setsid -w";
    const client = host.attacker.start(`${askpass} ssh -o PubkeyAuthentication=no root@guarded sleep 600 </dev/null`);
    const alert = await untilTold("root_login_by_password", host.attacker.address, "sshd by password");
    expect(alert.severity).toBe("WARNING");
    client.stop();
  });

  test("of a service account with a shell are an ALERT", async () => {
    const client = host.attacker.start("sleep 600 | ssh -tt www-data@guarded");
    const alert = await untilTold("service_account_login", "www-data", host.attacker.address);
    expect(alert.severity).toBe("ALERT");
    client.stop();
  });

  test("from a second network are a WARNING, those from the first one are none", async () => {
    expect(await told("login_from_new_network")).toEqual([]);
    const done = await host.attacker.exec(`ssh -6 alice@${host.address6} true </dev/null`);
    expect(done.stderr).toBe("");
    const alert = await untilTold("login_from_new_network", "alice", host.attacker.address6);
    expect(alert.severity).toBe("WARNING");
  });

  test("that last for a second only are told with both their ends", async () => {
    await host.must(
      "useradd -m -s /bin/bash bob && cp -r /home/alice/.ssh /home/bob/.ssh && chown -R bob /home/bob/.ssh",
    );
    expect((await host.attacker.exec("ssh bob@guarded true </dev/null")).exitCode).toBe(0);
    await untilTold("login", "bob", host.attacker.address, "sshd by publickey");
    await untilTold("logout", "bob", host.attacker.address);
  });

  test("are not told again after a restart of the daemon, their logout is", async () => {
    const client = host.attacker.start("sleep 600 | ssh -tt alice@guarded");
    // The logout of an earlier login has been told: whatever is said of alice from here on is about this one.
    await waitUntil(
      "alice is listed",
      async () => (await cli(host, "sessions")).stdout.includes("alice"),
      TOLD_WITHIN_MS,
    );
    await Bun.sleep(12_000);
    const counts = async (): Promise<number> =>
      (await told("login", "alice")).reduce((sum, { count }) => sum + count, 0);
    const before = await counts();
    await host.must("systemctl restart algo-monitor");
    await waitUntil(
      "alice is listed",
      async () => (await cli(host, "sessions")).stdout.includes("alice"),
      TOLD_WITHIN_MS,
    );
    await Bun.sleep(12_000);
    expect(await counts()).toBe(before);
    const ended = async (): Promise<number> =>
      (await told("logout", "alice")).reduce((sum, { count }) => sum + count, 0);
    const endedBefore = await ended();
    client.stop();
    await waitUntil("the logout is told", async () => (await ended()) > endedBefore, TOLD_WITHIN_MS);
  });
});

describe("units and the host itself", () => {
  test("a unit that fails is an INFO, once however often it fails", async () => {
    await host.writeFile(
      "/etc/systemd/system/flaps.service",
      "[Unit]\nStartLimitIntervalSec=0\n[Service]\nExecStart=/bin/false\nRestart=always\nRestartSec=200ms\n",
    );
    await host.must("systemctl daemon-reload && systemctl start flaps");
    const alert = await untilTold("unit_failed", "flaps.service", "exit-code");
    expect(alert.severity).toBe("INFO");
    await Bun.sleep(12_000);
    expect((await told("unit_failed", "flaps.service")).map(({ count }) => count)).toEqual([1]);
    await host.must("systemctl stop flaps");
  });

  test("a filesystem over its limit is a WARNING, and that it is not any more an INFO", async () => {
    const isTold = async (rule: string): Promise<boolean> => (await told(rule, "filesystem (/)")).length > 0;
    await configure(host, { HOST_THRESHOLDS: { disk_percent: 1 } });
    await waitUntil("the full filesystem is told", () => isTold("host_threshold"), 100_000);
    expect((await told("host_threshold", "filesystem (/)"))[0]?.severity).toBe("WARNING");
    await configure(host, { HOST_THRESHOLDS: { disk_percent: 100 } });
    await waitUntil("that there is room again is told", () => isTold("host_threshold_cleared"), 100_000);
  });

  test("journalctl goes when the daemon goes, however it goes", async () => {
    const followers = async (): Promise<string> => (await host.exec("pgrep -x journalctl || true")).stdout.trim();
    const before = await followers();
    expect(before).toMatch(/^\d+$/);
    await host.must("systemctl kill -s KILL --kill-whom=main algo-monitor");
    const isReplaced = async (): Promise<boolean> => {
      const now = await followers();
      return now !== before && /^\d+$/.test(now);
    };
    await waitUntil("the daemon is back with a follower of its own, and only that", isReplaced, 30_000);
    await host.must("systemctl stop algo-monitor");
    expect(await followers()).toBe("");
    await host.must("systemctl start algo-monitor");
  });
});

const triggers = globSync("rules/*/*/trigger.sh", { cwd: ROOT })
  .map((file) => ({ rule: basename(dirname(file)), path: join(ROOT, file) }))
  .filter(({ path }) =>
    /^ {2}category: (?:session|unit|host)$/m.test(readFileSync(join(dirname(path), "rule.yml"), "utf8")),
  );

describe("triggers", () => {
  test.each(triggers)("$rule is told of what its trigger does", async ({ rule, path }) => {
    const count = async (): Promise<number> => (await told(rule)).reduce((sum, alert) => sum + alert.count, 0);
    const before = await count();
    host.copyIn(path, `/opt/triggers/${rule}.sh`);
    await host.start(`trigger-${rule.replaceAll("_", "-")}`, `sh /opt/triggers/${rule}.sh`);
    await waitUntil(`${rule} is told`, async () => (await count()) > before, 60_000);
  });
});
