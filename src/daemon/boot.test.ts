import { afterEach, describe, expect, test } from "bun:test";
import { rmSync, statSync, writeFileSync } from "node:fs";
import { until } from "../host/test_processes.ts";
import { createSite, endDaemons, NO_SENSOR, startDaemon } from "./daemon.fixture.ts";

afterEach(endDaemons);

const LONG_MS = 60_000;

describe("the whole daemon, watching only", () => {
  test(
    "comes up, sweeps, answers, reloads on SIGHUP and ends on SIGTERM with 0",
    async () => {
      const site = createSite();
      const daemon = await startDaemon(site);
      expect(statSync(site.paths.controlSocket).mode & 0o777).toBe(0o600);
      expect(await site.ask("status", {})).toMatchObject({
        ok: true,
        value: { mode: "monitor", configGeneration: 1, rules: { refused: 0 }, pid: daemon.pid },
      });
      writeFileSync(
        site.paths.configFile,
        JSON.stringify({ ...NO_SENSOR, MODE: "enforce", KILL_BUDGET: { per_minute: 3 } }),
      );
      daemon.kill("SIGHUP");
      await until(() => site.log("info").includes("config generation 2 is in force (monitor mode)"));
      daemon.kill("SIGTERM");
      expect(await daemon.exited).toBe(0);
      expect(site.log("info")).toMatch(/guards this host in monitor mode with \d+ rules[\s\S]*stops on SIGTERM/);
      // A machine without journald is told so; nothing else is wrong.
      const faults = site.log("error").split("\n");
      expect(faults.filter((line) => line !== "" && !line.includes("The output journald fails"))).toEqual([]);
    },
    LONG_MS,
  );

  test(
    "the file changed under it is read by itself",
    async () => {
      const site = createSite();
      await startDaemon(site);
      writeFileSync(site.paths.configFile, '{"MODE": "enforce", "MOED": 1}');
      await until(() => site.log("error").includes("MOED"));
      expect((await site.ask("status", {})).ok).toBe(true);
    },
    LONG_MS,
  );

  test(
    "the successor of one that was killed says so, that of an orderly stop does not",
    async () => {
      const site = createSite();
      for (const signal of ["SIGKILL", "SIGTERM", "SIGTERM"] as const) {
        const daemon = await startDaemon(site);
        daemon.kill(signal);
        await daemon.exited;
      }
      expect(site.log("warning").match(/ended without stopping \(crashed or killed\)/g)).toHaveLength(1);
    },
    LONG_MS,
  );

  test(
    "a site without rules is told that it is blind, and scan does not read as all well",
    async () => {
      const site = createSite();
      rmSync(site.paths.rulesDirectory, { recursive: true });
      await startDaemon(site);
      expect(site.log("error")).toContain("no rule could be loaded; nothing can be recognised");
      expect(await site.ask("scan", {})).toMatchObject({ ok: false, fault: { kind: "invalid" } });
    },
    LONG_MS,
  );
});
