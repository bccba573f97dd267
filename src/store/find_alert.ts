/**
 * The alert an operator means by an id, a unique suffix or a unique prefix of one. The id of a raw finding or of a
 * decision leads to its alert, because that is what a log line may show.
 */
import type { Database } from "bun:sqlite";
import { fail, ok, type Result } from "../core/result.ts";

const SHORTEST_PART = 3;
const CANDIDATES_SHOWN_MAX = 5;

const EXACT: readonly string[] = [
  "SELECT id FROM findings WHERE id = ?1",
  "SELECT alert_id FROM finding_rows WHERE id = ?1",
  "SELECT alert_id FROM decisions WHERE id = ?1 AND alert_id IS NOT NULL",
];

/** Throws what SQLite throws. */
export function findAlert(db: Database, idOrPart: string): Result<string> {
  const part = idOrPart.trim().toLowerCase();
  if (!/^[0-9a-z]{1,32}$/.test(part)) {
    return fail(
      "invalid",
      `${JSON.stringify(idOrPart.slice(0, 64))} is not an alert id`,
      "list them with: algo-monitor alerts",
    );
  }
  for (const sql of EXACT) {
    const [row] = values(db, sql, [part]);
    if (row !== undefined) return ok(row);
  }
  if (part.length < SHORTEST_PART) {
    return fail("invalid", `${part} is too short to name an alert`, `give at least ${SHORTEST_PART} characters`);
  }
  const suffixes = values(db, "SELECT id FROM findings WHERE substr(id, -length(?1)) = ?1 ORDER BY seq DESC LIMIT 6", [
    part,
  ]);
  const prefixes = values(db, "SELECT id FROM findings WHERE id >= ?1 AND id < ?1 || '~' ORDER BY seq DESC LIMIT 6", [
    part,
  ]);
  const found = [...new Set([...suffixes, ...prefixes])];
  const [only] = found;
  if (only === undefined) return fail("gone", `there is no alert ${part}`, "list them with: algo-monitor alerts");
  if (found.length === 1) return ok(only);
  const shown = found.slice(0, CANDIDATES_SHOWN_MAX).join(", ");
  const more = found.length > CANDIDATES_SHOWN_MAX ? ", ..." : "";
  return fail(
    "invalid",
    `${part} fits more than one alert: ${shown}${more}`,
    "give more characters of the one you mean",
  );
}

function values(db: Database, sql: string, parameters: string[]): string[] {
  return db
    .query(sql)
    .values(...parameters)
    .map((row) => String(row[0]));
}
