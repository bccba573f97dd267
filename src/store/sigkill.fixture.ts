/** A child process for sigkill.test.ts: writes as fast as it can and prints each intent once it was acknowledged. */
import { writeSync } from "node:fs";
import { systemClock } from "../core/clock.ts";
import { newId } from "../core/ids.ts";
import { eventFixture, findingFixture, killFixture, outcomeFixture } from "../core/nouns.fixture.ts";
import { openStore } from "./store.ts";

const [path, runDir] = process.argv.slice(2);
if (path === undefined || runDir === undefined) throw new Error("usage: sigkill.fixture.ts DATABASE RUNDIR");
const store = openStore({
  path,
  runDir,
  clock: systemClock,
  onFault: (fault, phase) => writeSync(1, `fault ${phase} ${fault.message}\n`),
});
for (let round = 0; ; round++) {
  const finding = findingFixture({ id: newId(Date.now()), foldKey: `key ${round % 50}`, atMs: Date.now() });
  store.appendEvents(Array.from({ length: 20 }, () => eventFixture({ id: newId(Date.now()) })));
  store.recordFinding(finding);
  const decision = killFixture({ id: newId(Date.now()), findingId: finding.id });
  if (store.intend(decision).ok) writeSync(1, `intended ${decision.id}\n`);
  if (round % 2 === 0) {
    store.settle(outcomeFixture({ decisionId: decision.id }));
    writeSync(1, `settled ${decision.id}\n`);
  }
  if (round % 20 === 19) store.prune({ days: 90, databaseBytesMax: 1_000_000 });
}
