// When the scan looks out of turn because something started, and when it does not.
import { describe, expect, test } from "bun:test";
import { systemClock } from "../core/clock.ts";
import { execFixture, taskFixture } from "../core/kernel.fixture.ts";
import { createStartLooks, LOOK_EVERY_MS } from "./start_looks.ts";

function setUp(answer: boolean | undefined) {
  const seen = { looks: 0, questions: 0 };
  const looks = createStartLooks({
    clock: systemClock,
    isWorthALook: () => {
      seen.questions++;
      return answer;
    },
    look: async () => void seen.looks++,
  });
  return { looks, seen };
}

describe("a start", () => {
  test("worth a look is looked at at once, and once more when it may have connected", async () => {
    const { looks, seen } = setUp(true);
    looks.hear(execFixture());
    await Bun.sleep(50);
    expect(seen.looks).toBe(1);
    await Bun.sleep(LOOK_EVERY_MS + 100);
    expect(seen.looks).toBe(2);
    await Bun.sleep(LOOK_EVERY_MS + 100);
    expect(seen.looks).toBe(2);
  });

  test("of a thousand at once costs two looks a second, and one question a file", async () => {
    const { looks, seen } = setUp(true);
    for (let pid = 0; pid < 1_000; pid++)
      looks.hear(execFixture({ task: taskFixture({ ref: { pid, startedAtTicks: 1 } }) }));
    await Bun.sleep(LOOK_EVERY_MS + 100);
    expect(seen).toEqual({ looks: 2, questions: 1 });
  });

  test("of what somebody installed and that runs nobody's code is no reason", async () => {
    const { looks, seen } = setUp(false);
    looks.hear(execFixture());
    await Bun.sleep(50);
    expect(seen.looks).toBe(0);
  });

  test("that nobody can name yet is looked at, and asked about again", async () => {
    const { looks, seen } = setUp(undefined);
    looks.hear(execFixture());
    looks.hear(execFixture());
    await Bun.sleep(50);
    expect(seen).toEqual({ looks: 1, questions: 2 });
  });
});
