import { expect, test } from "bun:test";
import { type Digests, judgeDigest, type PackagedFile } from "./packages.ts";
import type { PackageState } from "./view.ts";

function packaged(over: Partial<PackagedFile> = {}): PackagedFile {
  return { package: "p", algorithm: "md5", digest: "aa", config: false, ...over };
}

const ROWS: readonly (readonly [string, PackagedFile, Digests, PackageState])[] = [
  ["the packaged content matches", packaged(), { sha256: "ff", md5: "aa" }, "matches"],
  ["other content differs", packaged(), { sha256: "ff", md5: "bb" }, "differs"],
  ["without the right digest nothing is known", packaged(), { sha256: "ff" }, "unknown"],
  ["a file that was not read is not known", packaged({ algorithm: "sha256" }), { sha256: "" }, "unknown"],
  ["SHA-256 is compared with SHA-256", packaged({ algorithm: "sha256", digest: "ff" }), { sha256: "ff" }, "matches"],
  ["a changed configuration file is no difference", packaged({ config: true }), { sha256: "f", md5: "b" }, "config"],
  ["a configuration file as packaged matches", packaged({ config: true }), { sha256: "ff", md5: "aa" }, "matches"],
  ["a path without digest is not known", packaged({ algorithm: "none", digest: "" }), { sha256: "ff" }, "unknown"],
  ["a ghost may hold anything", packaged({ algorithm: "none", digest: "", config: true }), { sha256: "ff" }, "config"],
];

test.each(ROWS)("%s", (_name, file, digests, expected) => {
  expect(judgeDigest(file, digests)).toBe(expected);
});
