// The evasions together, with what became of each. `bun test/host/evasions.ts [pattern]` runs them without the product and
// with it, and prints the table.
import { prepareAttacks } from "./attacks.ts";
import { CORNERS } from "./evasions/corners.ts";
import { LANGUAGES } from "./evasions/languages.ts";
import { RELAYS } from "./evasions/relays.ts";
import type { Evasion } from "./evasions/row.ts";
import { SHELLS } from "./evasions/shells.ts";
import { WAYS } from "./evasions/ways.ts";
import { type Accusation, accusationsOf, describeOutcome, type HardOutcome, obeyed, runHard } from "./hard_attacks.ts";
import { prepareVariants } from "./hard_variants.ts";
import { copyRelease, mustInstall, waitForKernel } from "./product.ts";
import { bootHost, type Host } from "./testhost.ts";

export const EVASIONS: readonly Evasion[] = [...SHELLS, ...RELAYS, ...LANGUAGES, ...WAYS, ...CORNERS];

export type Fate = "stopped" | "late" | "leaked" | "idle";

export interface EvasionRow {
  readonly evasion: Evasion;
  readonly bare: HardOutcome;
  readonly guarded: HardOutcome;
  readonly accusation: Accusation | undefined;
}

/** `idle`: it does nothing without the product either, so it proves nothing. */
export function fateOf({ bare, guarded }: EvasionRow): Fate {
  if (!obeyed(bare)) return "idle";
  if (!obeyed(guarded)) return "stopped";
  return guarded.obeysLater ? "leaked" : "late";
}

/** Boots nothing: the host is fresh, and has the product afterwards. */
export async function judgeEvasions(host: Host, evasions: readonly Evasion[]): Promise<EvasionRow[]> {
  await prepareAttacks(host);
  await prepareVariants(host);
  const bare = await runHard(host, evasions, { name: "bare", firstPort: 4000, guarded: false });
  await copyRelease(host);
  await mustInstall(host);
  await waitForKernel(host);
  const guarded = await runHard(host, evasions, { name: "guarded", firstPort: 5000, guarded: true, askAgain: true });
  const accusations = await accusationsOf(host, guarded);
  return evasions.flatMap((evasion, index) => {
    const [before, after] = [bare[index], guarded[index]];
    return before === undefined || after === undefined
      ? []
      : [{ evasion, bare: before, guarded: after, accusation: accusations.get(after) }];
  });
}

export function describeEvasions(rows: readonly EvasionRow[]): string {
  const lines = rows.map((row) => {
    const { accusation, evasion, guarded } = row;
    const told = accusation === undefined ? "-" : `${accusation.severity} ${accusation.by}`;
    const trace = fateOf(row) === "stopped" ? "" : ` | ${describeOutcome(fateOf(row) === "idle" ? row.bare : guarded)}`;
    return `${fateOf(row).padEnd(8)}${evasion.name} [${told}]${trace}`;
  });
  const counts = (["stopped", "late", "leaked", "idle"] as const).map(
    (fate) => `${rows.filter((row) => fateOf(row) === fate).length} ${fate}`,
  );
  return [...lines, `${rows.length} evasions: ${counts.join(", ")}`].join("\n");
}

if (import.meta.main) {
  const wanted = new RegExp(process.argv[2] ?? ".");
  const host = await bootHost();
  try {
    console.log(
      describeEvasions(
        await judgeEvasions(
          host,
          EVASIONS.filter((evasion) => wanted.test(evasion.name)),
        ),
      ),
    );
  } finally {
    await host.stop();
  }
  process.exit();
}
