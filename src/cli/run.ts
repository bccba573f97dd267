/** `run`: is the daemon. Loads it only here, so that every other command starts without it. */
import { Command } from "commander";
import { presentFault } from "./action.ts";
import { asCommandFault, notRoot } from "./client.ts";
import type { Cli, DaemonParts } from "./world.ts";
import { loadPart } from "./world.ts";

export const loadDaemon: DaemonParts["runDaemon"] = async () => (await import("../daemon/boot.ts")).runDaemon;

interface RunOptions {
  readonly monitor?: true;
}

export function runCommand(cli: Cli): Command {
  return new Command("run")
    .summary("be the daemon (systemd does this)")
    .description(
      "Runs the daemon in the foreground. The unit algo-monitor.service does this; by hand only for a look: stop the service first.",
    )
    .option("--monitor", "watch only, whatever MODE says: nothing is killed or disconnected")
    .action(async (options: RunOptions) => {
      if (cli.uid !== 0) return presentFault(cli, {}, notRoot("the daemon").fault);
      const loaded = await loadPart("the daemon", cli.daemon.runDaemon);
      if (!loaded.ok) return presentFault(cli, {}, asCommandFault(loaded.fault));
      cli.exit(await loaded.value({ monitor: options.monitor === true }));
    });
}
