// An install over the old service that is killed on its way: something guards at every moment, and the next install finishes.
import { expect } from "bun:test";
import { photograph, startOldService, whoRuns } from "./old_service.ts";
import { HOME, lastWords, mustInstall, RELEASE, waitUntil } from "./product.ts";
import type { Host } from "./testhost.ts";

/** The installer is ended where it is about to run the n-th command that changes something. */
export const KILL_POINTS = [
  "mv -T",
  "mv -fT",
  "rm -rf",
  "install -m",
  "systemctl daemon-reload",
  "systemctl reenable",
  "systemctl restart",
  "rm -f",
];

/** With the old service running; afterwards it runs as before. */
export async function survivesKill(host: Host, point: string): Promise<void> {
  await startOldService(host);
  await waitUntil("the old service runs", async () => (await whoRuns(host)) === "old", 10_000);
  const before = await photograph(host);
  const config = await host.must(`sha256sum <${HOME}/config.json`);
  // A trap that bash runs before every command; it sees what comes next, and ends the whole script there.
  await host.writeFile(
    "/root/kill_at.sh",
    `set -T\ntrap 'case $BASH_COMMAND in *${JSON.stringify(point)}*) [ "\${step_number:-0}" -ge 5 ] && kill -KILL $$;; esac' DEBUG\n`,
  );
  const killed = await host.exec(
    `cd ${RELEASE} && exec env BASH_ENV=/root/kill_at.sh bash ./install --yes </dev/null >/dev/null 2>&1`,
    { timeoutMs: 120_000 },
  );
  expect(killed.exitCode, killed.stdout).toBe(137);
  expect(["old", "new"]).toContain(await whoRuns(host));
  // Also after a restart of the machine's services, as a boot would do it.
  await host.must("systemctl daemon-reload && systemctl restart algo-monitor", { timeoutMs: 60_000 });
  expect(["old", "new"]).toContain(await whoRuns(host));
  await mustInstall(host);
  expect(await whoRuns(host), await lastWords(host)).toBe("new");
  expect(await host.must(`sha256sum <${HOME}/config.json`)).toBe(config);
  await host.must(`${HOME}/uninstall --restore-old --yes`, { timeoutMs: 60_000 });
  expect(await photograph(host)).toBe(before);
}
