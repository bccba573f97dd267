import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseConfig } from "../config/load.ts";
import { createSite } from "./site.ts";

const folder = mkdtempSync(join(tmpdir(), "algo-site-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("what is wrong with the lists of INDICATORS is one fault, and it lasts until they are mended", async () => {
  const [bad, good, missing] = ["bad.txt", "good.txt", "missing.txt"].map((name) => join(folder, name));
  writeFileSync(bad ?? "", "10.0.0.1\nnot a name\n192.168.0.0/16\nstill not one\n", { mode: 0o600 });
  writeFileSync(good ?? "", "bad.example.org\n", { mode: 0o600 });
  const configOf = (...files: unknown[]) => parseConfig(JSON.stringify({ INDICATORS: { files } })).config;
  let config = configOf(missing, bad, good);
  const told: (readonly [phase: string, message: string])[] = [];
  const site = createSite({
    config: () => config,
    onFault: (part, { message }, phase) => {
      if (part === "indicators") told.push([phase, message]);
    },
  });
  await site.ready();
  config = configOf(good);
  await site.ready();
  config = configOf();
  await site.ready();
  expect(told).toEqual([
    [
      "begins",
      expect.stringMatching(/^\S+missing\.txt cannot be read: there is no such file; passed over: .+; and 2 more$/),
    ],
    ["ends", "all lists are read, every line counts"],
  ]);
});
