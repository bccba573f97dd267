import { expect, test } from "bun:test";
import { createHeardNames } from "./names_heard.ts";

test("an address is called by the name that led there last, and the oldest are forgotten", () => {
  const names = createHeardNames();
  names.learn("a.example.org", ["203.0.113.7", "2001:db8::7"]);
  names.learn("b.example.org", ["203.0.113.7"]);
  expect([names.nameOf("203.0.113.7"), names.nameOf("2001:db8::7"), names.nameOf("203.0.113.8")]).toEqual([
    "b.example.org",
    "a.example.org",
    undefined,
  ]);
  for (let number = 0; number < 8_192; number++) names.learn("c.example.org", [`10.0.${number >> 8}.${number & 255}`]);
  expect(names.nameOf("203.0.113.7")).toBeUndefined();
});
