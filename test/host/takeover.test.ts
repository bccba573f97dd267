// Taking over from the old Python service, in a host: what stays, what comes back, and that something always guards,
// whenever the install is killed. About two minutes.
import { afterAll, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { survivesKill } from "./killed_install.ts";
import { EXECUTABLE, PROGRAM, photograph, startOldService, UNIT, whoRuns } from "./old_service.ts";
import { copyRelease, HOME, install, lastWords, mustInstall, RELEASE, status, waitUntil } from "./product.ts";
import { bootHost, type Host } from "./testhost.ts";

setDefaultTimeout(240_000);

let host: Host;
let before = "";
let config = "";
beforeAll(async () => {
  host = await bootHost();
  await copyRelease(host);
});
afterAll(async () => {
  if (host !== undefined) await host.stop();
});
beforeEach(async () => {
  await startOldService(host);
  await waitUntil("the old service runs", async () => (await whoRuns(host)) === "old", 10_000);
  before = await photograph(host);
  config = await host.must(`sha256sum <${HOME}/config.json`);
});

async function restoreOld(flags = ""): Promise<string> {
  return host.must(`${HOME}/uninstall --restore-old --yes ${flags}`, { timeoutMs: 60_000 });
}

describe("taking over from the old service", () => {
  test("it is recognised, stopped and replaced; config and logs stay; nothing of it is run", async () => {
    const pid = (await host.must("systemctl show -P MainPID algo-monitor")).trim();
    const said = await mustInstall(host);
    expect(await whoRuns(host), await lastWords(host)).toBe("new");
    expect((await host.exec(`ls -d /proc/${pid} ${PROGRAM} /root/old-program-was-run`)).stdout).toBe("");
    expect((await host.exec("pgrep -fa '[a]lgo-monitor.py'")).stdout).toBe("");
    expect(await host.must(`sha256sum <${HOME}/config.json`)).toBe(config);
    expect(await host.must(`head -1 ${HOME}/logs/alert.log`)).toBe("what it wrote before\n");
    expect((await host.must(`stat -c '%F %U' ${EXECUTABLE} ${HOME}/config.json ${HOME}/logs`)).trim()).toBe(
      "regular file root\nregular file root\ndirectory root",
    );
    expect((await host.must(`stat -c %a ${HOME}`)).trim()).toBe("700");
    expect((await status(host)).configProblems.filter((problem) => problem.severity === "error")).toEqual([]);
    expect(said).toContain("SUSPICIOUS_PATTERNS (38): no longer kills");
    expect(said).toContain(`sudo ${HOME}/uninstall --restore-old`);
    expect((await host.must("systemctl show -P Nice algo-monitor")).trim()).toBe("-5");
  });

  test("going back brings everything as it was, owners and modes too", async () => {
    await mustInstall(host);
    await restoreOld();
    expect(await photograph(host)).toBe(before);
    expect(await whoRuns(host)).toBe("old");
    const grown = await host.must(`wc -c <${HOME}/logs/alert.log`);
    await waitUntil("it writes", async () => (await host.must(`wc -c <${HOME}/logs/alert.log`)) !== grown, 10_000);
  });

  test("install --rollback goes back as well", async () => {
    await mustInstall(host);
    await mustInstall(host, "--rollback");
    expect(await photograph(host)).toBe(before);
  });

  test("a second install is an upgrade, and the way back is still there", async () => {
    await mustInstall(host);
    const said = await mustInstall(host);
    expect(said).not.toContain("Python");
    expect(await whoRuns(host)).toBe("new");
    await restoreOld();
    expect(await photograph(host)).toBe(before);
  });

  test("a config changed since is kept beside the one of before", async () => {
    await mustInstall(host, "--monitor");
    expect((await status(host)).mode).toBe("monitor");
    await restoreOld();
    expect(await host.must(`sha256sum <${HOME}/config.json`)).toBe(config);
    expect(await host.must(`cat ${HOME}/config.json.algo-monitor`)).toContain('"MODE": "monitor"');
  });

  test("a new service that does not start gives way to the old one", async () => {
    await host.must(`cp -a ${RELEASE} /root/broken && cd /root/broken
      sed -i 's|^ExecStart=.*|ExecStart=/bin/false|' algo-monitor.service
      find . -type f ! -name SHA256SUMS -printf '%P\\n' | sort | xargs sha256sum >SHA256SUMS`);
    const done = await host.exec("cd /root/broken && ./install --yes </dev/null 2>&1", { timeoutMs: 120_000 });
    expect(done.exitCode, done.stdout).toBe(1);
    expect(await whoRuns(host)).toBe("old");
    expect(await photograph(host)).toBe(before);
  });

  test("thresholds in brackets: the right form is printed, and built-in defaults guard in monitor mode", async () => {
    await host.must(`printf '{\\n "PROCESS_THRESHOLDS": ["cpu_percent": 80]\\n}\\n' >${HOME}/config.json`);
    const said = await mustInstall(host);
    expect(said).toContain('"PROCESS_THRESHOLDS": {"cpu_percent": 80}');
    expect((await status(host)).mode).toBe("monitor");
    expect(await host.must(`cat ${HOME}/config.json`)).toContain('["cpu_percent": 80]');
  });
});

describe("links that lead elsewhere are never written through", () => {
  const rows: readonly [name: string, target: string][] = [
    ["to a system file", "/etc/passwd"],
    ["to a directory", "/etc/cron.d"],
    ["to nothing", "/nowhere/at/all.py"],
  ];
  for (const [name, target] of rows) {
    test(`the command is a link ${name}`, async () => {
      await host.must(`ln -sfn ${target} ${EXECUTABLE}`);
      const untouched = `sha256sum /etc/passwd; ls -A /etc/cron.d; ls /nowhere 2>&1`;
      const held = (await host.exec(untouched)).stdout;
      await mustInstall(host);
      expect((await host.must(`stat -c %F ${EXECUTABLE}`)).trim()).toBe("regular file");
      expect((await host.exec(untouched)).stdout).toBe(held);
      await restoreOld();
      expect((await host.must(`readlink ${EXECUTABLE}`)).trim()).toBe(target);
      expect((await host.exec(untouched)).stdout).toBe(held);
    });
  }

  test("a link that a user planted in the folder is refused, and nothing changes", async () => {
    await host.must(`ln -s /etc/passwd ${HOME}/logs/info.log && chown -h alice ${HOME}/logs/info.log`);
    before = await photograph(host);
    const done = await install(host);
    expect(done.exitCode).toBe(5);
    expect(done.stdout).toContain("/etc/passwd");
    expect(await photograph(host)).toBe(before);
    expect(await whoRuns(host)).toBe("old");
  });

  test("a unit that is a link is refused", async () => {
    await host.must(`mv ${UNIT} /opt/elsewhere.service && ln -s /opt/elsewhere.service ${UNIT}`);
    expect((await install(host)).exitCode).toBe(5);
    expect((await host.must(`sha256sum </opt/elsewhere.service; readlink ${UNIT}`)).trim()).toContain("elsewhere");
  });
});

describe("an install that is killed leaves a guard, and the next one finishes", () => {
  // The two that matter most here, all of them in full/takeover_killed.test.ts.
  for (const point of ["systemctl restart", "rm -f"]) {
    test(`SIGKILL at \`${point}\``, () => survivesKill(host, point));
  }
});
