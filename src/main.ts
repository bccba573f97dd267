import { loadViews } from "./cli/one_shot.ts";
import { runCli } from "./cli/program.ts";
import { loadDaemon } from "./cli/run.ts";
import { loadRehearsal } from "./cli/scan.ts";
import { realCli } from "./cli/world.ts";

void runCli(
  realCli({ runDaemon: loadDaemon, rehearseOnce: loadRehearsal, lookOnce: loadViews }),
  process.argv.slice(2),
);
