import { expect, test } from "bun:test";
import { matchesFileGlob } from "./file_glob.ts";

const ROWS: readonly (readonly [string, string, string, boolean])[] = [
  ["a path is itself", "/etc/passwd", "/etc/passwd", true],
  ["a longer path is another", "/etc/passwd", "/etc/passwd-", false],
  ["a path is not what is below it", "/etc/cron.d", "/etc/cron.d/x", false],
  ["a star is part of a name", "/opt/*/log.txt", "/opt/app/log.txt", true],
  ["a star may be nothing", "/opt/app*/x", "/opt/app/x", true],
  ["a star does not cross a slash", "/opt/*", "/opt/a/b", false],
  ["a name of several stars", "/opt/a*b*c", "/opt/aXbYbZc", true],
  ["pieces stand in order", "/opt/a*b*c", "/opt/acb", false],
  ["pieces do not overlap", "/opt/ab*ba", "/opt/aba", false],
  ["pieces do not reach into the end", "/opt/a*bc*c", "/opt/abc", false],
  ["other characters are literal", "/opt/a.c", "/opt/abc", false],
  ["brackets are literal", "/opt/[a]", "/opt/a", false],
  ["a tree is what is below", "/opt/app/**", "/opt/app/a/b", true],
  ["a tree is not its own top", "/opt/app/**", "/opt/app", false],
  ["a tree is not its neighbour", "/opt/app/**", "/opt/application/x", false],
  ["a tree below a star", "/home/*/.cache/**", "/home/a/.cache/b/c", true],
];

test.each(ROWS)("%s", (_name, glob, path, expected) => {
  expect(matchesFileGlob(glob, path)).toBe(expected);
});
