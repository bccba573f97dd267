import { describe, expect, test } from "bun:test";
import { bytes, duration, parseMinutes, parseSince, plural, relativeTime, table } from "./text.ts";

describe("durations that an operator types", () => {
  const ROWS: readonly (readonly [string, number | undefined])[] = [
    ["30m", 30],
    ["30min", 30],
    ["45 min", 45],
    ["2h", 120],
    ["1h30m", 90],
    ["1d", 1440],
    ["90", 90],
    ["0m", 0],
    ["", undefined],
    ["m", undefined],
    ["-5m", undefined],
    ["1.5h", undefined],
    ["30s", undefined],
    ["5 weeks", undefined],
    ["1e9", undefined],
    ["9999999m", undefined],
  ];
  for (const [text, expected] of ROWS)
    test(`${JSON.stringify(text)} is ${expected ?? "refused"}`, () => expect(parseMinutes(text)).toBe(expected));
});

describe("points in time that an operator types", () => {
  const nowMs = Date.UTC(2026, 2, 14, 12);
  const ROWS: readonly (readonly [string, number | undefined])[] = [
    ["2h", nowMs - 7_200_000],
    ["1d", nowMs - 86_400_000],
    ["2026-03-14T10:00:00Z", Date.UTC(2026, 2, 14, 10)],
    ["2026-03-14 10:00:00Z", Date.UTC(2026, 2, 14, 10)],
    ["2026-03-14", new Date(2026, 2, 14).getTime()],
    ["2026-13-01", undefined],
    ["yesterday", undefined],
    ["1773486000", undefined],
    ["", undefined],
  ];
  for (const [text, expected] of ROWS)
    test(`${JSON.stringify(text)} is ${expected ?? "refused"}`, () => expect(parseSince(text, nowMs)).toBe(expected));
});

describe("tables", () => {
  test("columns are aligned by what they take on the screen", () => {
    expect(
      table(
        ["A", "B"],
        [
          ["日本", "x"],
          ["abc", "y"],
        ],
      ),
    ).toBe("A     B\n日本  x\nabc   y\n");
  });
  test("colour takes no room", () => {
    expect(table(["A", "B"], [["\u001b[31mred\u001b[39m", "x"]])).toBe("A    B\n\u001b[31mred\u001b[39m  x\n");
  });
  test("the last column is cut to the terminal, never in the middle of a wide character", () => {
    expect(table(["A", "B"], [["x", "日本日本日本日本日本日本"]], 20)).toBe("A  B\nx  日本日本日本日本…\n");
  });
});

test("numbers read well", () => {
  expect([duration(59_999), duration(60_000), duration(7_200_000), duration(90_000_000), duration(12)]).toEqual([
    "59 s",
    "1 min",
    "2 h",
    "1 d",
    "12 ms",
  ]);
  expect([bytes(0), bytes(1023), bytes(1536), bytes(5_242_880)]).toEqual(["0 B", "1023 B", "1.5 KiB", "5.0 MiB"]);
  expect([plural(1, "alert"), plural(0, "alert")]).toEqual(["1 alert", "0 alerts"]);
  expect([relativeTime(0, 500), relativeTime(0, 5000), relativeTime(10_000, 0)]).toEqual(["now", "5 s ago", "in 10 s"]);
});
