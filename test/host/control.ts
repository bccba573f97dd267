// The control run: every payload of the collection on a host without the product. Says which give their attacker output
// (the set that the product is measured against), which leave a wired process, and why the others fail.
// `bun test/host/control.ts [shapes-file]` prints the result and writes what each looks like at the descriptors.
import {
  type Attack,
  type AttackRun,
  endAttack,
  loadAttacks,
  prepareAttacks,
  runAttack,
  type Standing,
  standingOf,
} from "./attacks.ts";
import { describeShape } from "./shapes.ts";
import { bootHost, type Host } from "./testhost.ts";

const AT_ONCE = 16;
const FIRST_PORT = 4000;
export const WORKING_MIN = 90;

export interface ControlRow extends AttackRun {
  readonly standing: Standing;
}

/** Runs the attacks in batches; payloads alternate between root and an ordinary user. */
export async function controlRun(host: Host, attacks: readonly Attack[]): Promise<ControlRow[]> {
  await prepareAttacks(host);
  const rows: ControlRow[] = [];
  for (let first = 0; first < attacks.length; first += AT_ONCE) {
    const batch = attacks.slice(first, first + AT_ONCE);
    const runs = await Promise.all(
      batch.map((attack, index) => runAttack(host, attack, FIRST_PORT + first + index, userOf(first + index))),
    );
    const standing = await standingOf(host, runs);
    for (const run of runs)
      rows.push({ ...run, standing: standing.get(run) ?? { shape: { processes: [], sockets: [] }, wired: [] } });
    await Promise.all(runs.map((run) => endAttack(host, run)));
  }
  return rows;
}

export function userOf(index: number): string {
  return index % 2 === 0 ? "root" : "alice";
}

/** The result in lines, for people. */
export function describeControl(rows: readonly ControlRow[]): string {
  const working = rows.filter((row) => row.worked);
  const loops = working.filter((row) => row.standing.wired.length === 0);
  const lines = [
    `${working.length} of ${rows.length} payloads give their attacker output; ${working.length - loops.length} leave a wired process, ${loops.length} are loops with short children.`,
    "loops:",
    ...loops.map(
      (row) => `  ${row.attack.id} (${row.attack.family} ${row.attack.kind}): ${row.attack.payload.slice(0, 100)}`,
    ),
    "not working:",
    ...rows
      .filter((row) => !row.worked)
      .map((row) => `  ${row.attack.id} (${row.attack.family} ${row.attack.kind} ${row.attack.transport}): ${row.why}`),
  ];
  return lines.join("\n");
}

export function describeShapes(rows: readonly ControlRow[]): string {
  const parts = rows
    .filter((row) => row.worked)
    .map((row) => {
      const kind =
        row.standing.wired.length > 0 ? `wired: ${row.standing.wired.map((process) => process.pid).join(" ")}` : "LOOP";
      const head = `### ${row.attack.id} | ${row.attack.family} ${row.attack.kind} ${row.attack.transport} | as ${row.user} | port ${row.port} | ${kind}`;
      return `${head}\n  payload ${row.attack.payload.replaceAll("\n", "\\n")}\n${describeShape(row.standing.shape)}`;
    });
  return `${parts.join("\n\n")}\n`;
}

if (import.meta.main) {
  const host = await bootHost();
  try {
    const rows = await controlRun(host, loadAttacks());
    console.log(describeControl(rows));
    const file = process.argv[2];
    if (file !== undefined) await Bun.write(file, describeShapes(rows));
    if (rows.filter((row) => row.worked).length < WORKING_MIN) process.exitCode = 1;
  } finally {
    await host.stop();
  }
  process.exit();
}
