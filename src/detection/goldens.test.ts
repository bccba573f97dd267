// The seam from a host's view to findings and decisions, on hosts as they really looked: each file of goldens/ is one
// recorded (or, where it says no port and no payload, hand-written) host with what the head must say of it.
import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { severityOf } from "../core/nouns.ts";
import { allDetectors } from "../daemon/head.ts";
import { NO_SITE } from "../daemon/site.ts";
import { judgeHost, verdictsOf } from "./goldens.fixture.ts";
import { FED, fedBy } from "./logsources.ts";

const folder = join(import.meta.dir, "goldens");
const goldens = readdirSync(folder).map((file) => {
  const text = readFileSync(join(folder, file), "utf8");
  const lines = text.split("\n");
  return {
    file,
    title: (lines[0] ?? "").replace(/^# /, ""),
    expected: lines.filter((line) => line.startsWith("# expect ")).map((line) => line.slice("# expect ".length)),
    text,
  };
});

test("every file is used: an attack or an innocent, with a title and what is expected", () => {
  const odd = goldens.filter(
    ({ file, title, expected }) =>
      !/^(attack|innocent)_[a-z0-9_]+\.txt$/.test(file) || title === "" || expected.length === 0,
  );
  expect(odd.map(({ file }) => file)).toEqual([]);
  expect(goldens.filter(({ file }) => file.startsWith("attack_")).length).toBeGreaterThan(25);
  expect(goldens.filter(({ file }) => file.startsWith("innocent_")).length).toBeGreaterThan(40);
});

test("no event of any of these hosts has a field that its logsource does not name", () => {
  const foreign = goldens.flatMap(({ text }) =>
    judgeHost(text).events.flatMap(({ logsource, fields }) => {
      const named = new Set(fedBy(logsource).flatMap((source) => source.fields));
      return named.size === 0
        ? []
        : Object.keys(fields)
            .filter((field) => !named.has(field))
            .map((field) => `${logsource.category}: ${field}`);
    }),
  );
  expect([...new Set(foreign)]).toEqual([]);
});

test("what detectors emit is what logsources name, and each detector's file is in the list", () => {
  const detectors = allDetectors(NO_SITE);
  const emitted = detectors.flatMap((detector) =>
    detector.emits.map((category) => `${category} by detection/detectors/${detector.id}`),
  );
  const named = FED.flatMap((source) => source.feeders.map((feeder) => `${source.category} by ${feeder}`)).filter(
    (fed) => fed.includes("detection/detectors/"),
  );
  expect(emitted.sort()).toEqual(named.sort());
  const files = readdirSync(join(import.meta.dir, "detectors")).filter((file) => !file.endsWith(".test.ts"));
  const helpers = ["channels.ts", "detector.ts", "new_processes.ts", "origin.ts", "pools.ts"];
  expect(files.filter((file) => !helpers.includes(file)).sort()).toEqual(
    detectors.map((detector) => `${detector.id}.ts`).sort(),
  );
});

describe.each(goldens)("$file: $title", ({ file, expected, text }) => {
  const { judged } = judgeHost(text);

  test("is judged exactly so", () => {
    expect(verdictsOf(judged)).toEqual([...expected].sort());
  });

  test(file.startsWith("attack_") ? "makes an ALERT" : "makes no ALERT, and nobody dies", () => {
    const alerts = judged
      .filter(({ finding }) => severityOf(finding.level) === "ALERT")
      .map(({ finding }) => finding.title);
    const acts = judged.filter(({ decision }) => decision.do !== "record").map(({ finding }) => finding.title);
    if (file.startsWith("attack_")) expect(alerts).not.toEqual([]);
    else expect([...alerts, ...acts]).toEqual([]);
  });
});
