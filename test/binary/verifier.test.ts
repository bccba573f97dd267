// The kernel's verifier on this machine: every program of the sensor is taken, with room to spare. Loads them, guards nothing.
import { beforeAll, describe, expect, test } from "bun:test";
import { buildSensor } from "../../src/tools/build_sensor.ts";
import { run } from "./built.ts";

/** What the verifier goes through at most; kernels differ by some ten per cent. */
const CHECKED_MAX = 1_000_000;
const SHARE_MAX = 0.6;
/** Loaded all the same: what they attach to is missing on some machines (no modules, no cgroup v2 at the usual place). */
const MAY_BE_ABSENT = /^on_(module|ingress|egress|connect[46]|send[46]|release)$/;

interface Program {
  readonly name: string;
  readonly answer: string;
  readonly checked: number;
}

describe("the verifier", () => {
  let programs: readonly Program[] = [];
  beforeAll(() => {
    const { exitCode, out } = run([buildSensor(), "probe"]);
    if (exitCode !== 0) throw new Error(`the kernel of this machine takes no programs (root? BTF?): ${out}`);
    programs = out
      .trim()
      .split("\n")
      .map((line) => {
        const [name = "", answer = "", checked = ""] = line.split("\t");
        return { name, answer, checked: Number(checked) };
      });
    for (const { name, answer, checked } of programs)
      console.log(`  ${name}: ${answer}, ${checked} instructions checked`);
  }, 120_000);

  test("takes all programs there are", () => {
    expect(programs.length).toBeGreaterThanOrEqual(17);
    expect(programs.filter(({ answer }) => answer === "refused by this kernel")).toEqual([]);
  });

  test("and each is attached, where there is what it attaches to", () => {
    expect(programs.filter(({ name, answer }) => answer !== "ok" && !MAY_BE_ABSENT.test(name))).toEqual([]);
  });

  test("none comes near its bound", () => {
    expect(programs.filter(({ checked }) => checked > CHECKED_MAX * SHARE_MAX)).toEqual([]);
    expect(programs.every(({ checked }) => checked > 0)).toBe(true);
  });
});
