// Every finding of a host with the event it is about, read from the database: also those that were folded and not told.
import { z } from "zod";
import { HOME } from "./product.ts";
import type { Host } from "./testhost.ts";

const rowSchema = z.object({
  alert: z.string(),
  pid: z.number().nullable(),
  executable: z.string().nullable(),
  rule: z.string(),
  level: z.enum(["critical", "high", "medium", "low", "informational"]),
  category: z.string(),
  key: z.string().nullable(),
  path: z.string().nullable(),
  title: z.string(),
  /** All fields of the event, as JSON text. */
  fields: z.string(),
});
export type FindingRow = z.infer<typeof rowSchema>;

export function severityOf(row: FindingRow): "ALERT" | "WARNING" | "INFO" {
  switch (row.level) {
    case "critical":
    case "high":
      return "ALERT";
    case "medium":
    case "low":
      return "WARNING";
    case "informational":
      return "INFO";
  }
}

/** What trust or an exception pardoned is on record and told to nobody. */
const PARDONED = `SELECT 1 FROM decisions WHERE decisions.finding_id = finding_rows.id
  AND json_extract(decisions.json, '$.pardoned') = 1`;

/** Oldest first, without the pardoned ones. `where` is SQL over finding_rows. */
export async function findingRows(host: Host, where = "1"): Promise<readonly FindingRow[]> {
  const column = (name: string, path: string): string => `json_extract(json, '$.${path}') AS ${name}`;
  const query = `SELECT alert_id AS alert, pid, executable, rule_name AS rule, ${column("level", "level")},
    ${column("category", "event.logsource.category")}, ${column("key", 'event.fields."pattern.key"')},
    ${column("path", 'event.fields."file.path"')}, ${column("title", "title")},
    ${column("fields", "event.fields")}
    FROM finding_rows WHERE ${where} AND NOT EXISTS (${PARDONED}) ORDER BY seq`;
  // Through a file: titles hold whatever a command line held.
  await host.writeFile("/run/findings.sql", query);
  const said = await host.must(`sqlite3 -readonly -json ${HOME}/algo-monitor.db </run/findings.sql`);
  return said.trim() === "" ? [] : z.array(rowSchema).parse(JSON.parse(said));
}
