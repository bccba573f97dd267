import { expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { systemClock } from "../core/clock.ts";
import { outcomeFixture } from "../core/nouns.fixture.ts";
import { openReader } from "./reader.ts";
import { openStore } from "./store.ts";

test("twenty times SIGKILL in mid-write: every acknowledged intent is there, and only those without outcome are unsettled", async () => {
  const home = mkdtempSync(`${tmpdir()}/algo-sigkill-`);
  const [path, runDir] = [`${home}/algo-monitor.db`, `${home}/run`];
  mkdirSync(runDir);
  const acknowledged = new Set<string>();
  const settled = new Set<string>();
  try {
    for (let round = 0; round < 20; round++) {
      for (const line of await writeUntilKilled(path, runDir, 60 + round * 7)) {
        const [word, id] = line.split(" ");
        expect(word === "intended" || word === "settled").toBeTrue();
        if (word === "intended") acknowledged.add(id ?? "");
        else settled.add(id ?? "");
      }
      const faults: string[] = [];
      const store = openStore({ path, runDir, clock: systemClock, onFault: (fault) => faults.push(fault.message) });
      const unsettled = new Set(store.unsettled().map((decision) => decision.id));
      store.close();
      expect(faults).toEqual([]);
      for (const id of acknowledged) {
        if (settled.has(id)) expect(unsettled.has(id)).toBeFalse();
        // Settled in the last moment: the outcome was committed, its line was not printed any more.
        else if (!unsettled.delete(id)) expect(outcomesOf(path, id)).toEqual([id]);
      }
      // What remains was written in the moment of the kill, before it could be acknowledged: at most one.
      expect(unsettled.size).toBeLessThanOrEqual(1);
      settleAll(path, runDir);
      for (const id of acknowledged) settled.add(id);
    }
    expect(acknowledged.size).toBeGreaterThan(200);
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}, 120_000);

/** Complete lines of a child that is killed once it has printed `linesBeforeKill` of them. */
async function writeUntilKilled(path: string, runDir: string, linesBeforeKill: number): Promise<readonly string[]> {
  const child = Bun.spawn([process.execPath, `${import.meta.dir}/sigkill.fixture.ts`, path, runDir], {
    stdout: "pipe",
    stderr: "inherit",
  });
  const decoder = new TextDecoder();
  let text = "";
  let killed = false;
  for await (const chunk of child.stdout) {
    text += decoder.decode(chunk, { stream: true });
    if (!killed && text.split("\n").length > linesBeforeKill) {
      killed = true;
      child.kill("SIGKILL");
    }
  }
  await child.exited;
  expect(child.signalCode).toBe("SIGKILL");
  return text.slice(0, text.lastIndexOf("\n")).split("\n");
}

/** As a start does, so that the next round begins with nothing open. */
function settleAll(path: string, runDir: string): void {
  const store = openStore({ path, runDir, clock: systemClock, onFault: () => {} });
  for (const decision of store.unsettled()) store.settle(outcomeFixture({ decisionId: decision.id }));
  expect(store.unsettled()).toEqual([]);
  store.close();
}

function outcomesOf(path: string, id: string): readonly string[] {
  const reader = openReader(path);
  if (!reader.ok) throw new Error(reader.fault.message);
  const detail = reader.value.alert(id);
  reader.value.close();
  if (!detail.ok) throw new Error(detail.fault.message);
  return detail.value.outcomes.map((outcome) => outcome.decisionId).filter((decisionId) => decisionId === id);
}
