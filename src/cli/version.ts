/** `version`: what this executable is, and what the daemon runs where it may be asked. */
import { Command } from "commander";
import { ok } from "../core/result.ts";
import { COMMIT, VERSION } from "../core/version.ts";
import { SCHEMA_VERSION } from "../store/migrations.ts";
import { type JsonOption, present, withJson } from "./action.ts";
import type { Cli } from "./world.ts";

export const VERSION_TEXT = `algo-monitor ${VERSION} (${COMMIT})`;

export function versionCommand(cli: Cli): Command {
  const command = new Command("version")
    .summary("version and commit of this executable")
    .description(
      "Prints version and commit of this executable. Needs neither root nor the daemon; `status` says what the daemon runs.",
    );
  return withJson(command).action((options: JsonOption) => {
    // `schema` is what an installer compares before it puts an older executable on a newer database.
    const json = { version: VERSION, commit: COMMIT, schema: SCHEMA_VERSION, bun: Bun.version };
    present(cli, options, ok({ json, text: `${VERSION_TEXT}\n` }));
  });
}
