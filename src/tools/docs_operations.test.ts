import { describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { findingFixture, killFixture, outcomeFixture } from "../core/nouns.fixture.ts";
import { journalFields } from "../notify/journald.ts";
import { noticeOf } from "../notify/messages.ts";
import { JOURNAL_FIELDS, OPERATIONS_PAGE, renderOperations } from "./docs_operations.ts";

const ROOT = join(import.meta.dir, "..", "..");

describe("docs/operations.md", () => {
  test("has the tables that code has (else: bun run docs)", () => {
    const page = readFileSync(OPERATIONS_PAGE, "utf8");
    expect(page === renderOperations(page), "stale; run: bun run docs").toBe(true);
  });

  test("explains every field that a kill sends to the journal, and no other", () => {
    const finding = findingFixture();
    const notice = noticeOf({
      finding,
      alertId: finding.id,
      count: 1,
      decision: killFixture({ findingId: finding.id }),
      outcome: outcomeFixture(),
    });
    expect(Object.keys(journalFields(notice)).sort()).toEqual(Object.keys(JOURNAL_FIELDS).sort());
  });

  test("refuses a table that nobody makes", () => {
    expect(() => renderOperations("<!-- table: nonsense -->\n<!-- end -->")).toThrow("nonsense");
  });

  test("refuses a page that lost a table", () => {
    expect(() => renderOperations("")).toThrow("message ids");
  });
});

/** Pages that people write or read: everything below docs/, and what lies at the top. */
const PAGES = [
  "README.md",
  "CHANGELOG.md",
  ...readdirSync(join(ROOT, "docs"), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name}`),
];

/** Sources are named in pages as `src/store/*.test.ts` or `decision/decide.ts` (below src/). */
const SOURCE =
  /`((?:src|test|rules|docs|core|config|host|sources|context|detection|detectors|decision|response|store|notify|cli|daemon|tools)\/[\w/.*-]*)`/g;

describe("pages", () => {
  test.each(PAGES.map((page) => [page]))("%s links only to what is there", (page) => {
    const text = readFileSync(join(ROOT, page), "utf8");
    const links = [...text.matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)].map((match) => match[1] ?? "");
    const local = links.filter((link) => !/^[a-z]+:/.test(link));
    expect(local.filter((link) => !existsSync(join(ROOT, dirname(page), link)))).toEqual([]);
  });

  test.each(PAGES.map((page) => [page]))("%s names only sources that are there", (page) => {
    const text = readFileSync(join(ROOT, page), "utf8");
    const named = [...text.matchAll(SOURCE)].map((match) => match[1] ?? "");
    const places = ["", "src/", "src/detection/"];
    const isThere = (path: string): boolean =>
      places.some((place) => {
        const full = join(ROOT, place, path);
        if (!path.includes("*")) return existsSync(full);
        return [...new Bun.Glob(`${place}${path}`).scanSync({ cwd: ROOT })].length > 0;
      });
    expect(named.filter((path) => !isThere(path))).toEqual([]);
  });
});
