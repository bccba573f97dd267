// The table of what is fed, against the code that feeds it.
import { expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { FIELDS } from "../core/fields.ts";
import { ecsNameOf, FED } from "./logsources.ts";

const source = resolve(import.meta.dir, "..");
const feeders = [...new Set(FED.flatMap((fed) => fed.feeders))];

test.each(feeders)("%s exists and writes no field that its logsources are not said to carry", (feeder) => {
  const path = join(source, `${feeder}.ts`);
  expect(existsSync(path)).toBe(true);
  const carried = new Set(FED.filter((fed) => fed.feeders.includes(feeder)).flatMap((fed) => fed.fields));
  const written = [...readFileSync(path, "utf8").matchAll(/"([a-z]+(?:\.[a-z_]+)+)":/g)].map((found) => found[1] ?? "");
  expect(written.filter((field) => !carried.has(field))).toEqual([]);
});

test("every field and every Sigma name stands once in the table of fields", () => {
  const names = FIELDS.flatMap((field) => [field.name, ...(field.sigma ?? [])]);
  expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([]);
});

test("every field that is carried exists", () => {
  const names = new Set(FIELDS.map((field) => field.name));
  expect(FED.flatMap((fed) => fed.fields).filter((field) => !names.has(field))).toEqual([]);
});

const ALIASES: readonly [sigma: string, ecs: string | undefined][] = [
  ["Image", "process.executable"],
  ["CommandLine", "process.command_line"],
  ["ParentImage", "process.parent.executable"],
  ["ParentCommandLine", "process.parent.command_line"],
  ["User", "user.name"],
  ["CurrentDirectory", "process.working_directory"],
  ["DestinationIp", "destination.ip"],
  ["DestinationPort", "destination.port"],
  ["DestinationHostname", "destination.domain"],
  ["SourceIp", "source.ip"],
  ["Initiated", "network.initiated"],
  ["process.executable", "process.executable"],
  ["image", undefined],
];

test.each(ALIASES)("%s in a rule means %p", (sigma, ecs) => {
  expect(ecsNameOf(sigma)).toBe(ecs);
});
