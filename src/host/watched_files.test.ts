// Which files are watched for who opens them: bounds, and decoys first.
import { describe, expect, test } from "bun:test";
import { watchedFiles } from "./watched_files.ts";

describe("watched", () => {
  test("are the hashes and sudoers, also where there are none", () => {
    const { files, left } = watchedFiles([]);
    const always = ["/etc/shadow", "/etc/gshadow", "/etc/shadow-", "/etc/gshadow-", "/etc/sudoers"];
    expect(files.map(({ path }) => path)).toEqual(expect.arrayContaining(always));
    expect(files.every(({ path, watch }) => watch === "credentials" && !path.endsWith(".pub"))).toBe(true);
    expect(left).toBe(0);
  });

  test("is a decoy as a decoy, whatever else it would be", () => {
    const { files } = watchedFiles(["/srv/passwords.txt", "/etc/shadow-"]);
    expect(files.filter(({ watch }) => watch === "decoy").map(({ path }) => path)).toEqual([
      "/srv/passwords.txt",
      "/etc/shadow-",
    ]);
    expect(files.filter(({ path }) => path === "/etc/shadow-")).toHaveLength(1);
  });

  test("are no more than fit into one frame, and the rest is counted", () => {
    const many = Array.from({ length: 256 }, (_, index) => `/srv/${"x".repeat(1_000)}${index}`);
    const { files, left } = watchedFiles(many);
    expect(files.length).toBeLessThan(60);
    expect(left).toBeGreaterThan(200);
    expect(watchedFiles([`/${"x".repeat(4_095)}`]).left).toBe(1);
  });
});
