import { afterAll, describe, expect, test } from "bun:test";
import { chmodSync, chownSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Check, examine } from "./doctor.ts";
import { CHECKS, kernel } from "./doctor_checks.ts";
import { checkTrustedPath } from "./trust_path.ts";
import { fakeHost } from "./world.fixture.ts";

describe("kernels", () => {
  const KERNELS: readonly (readonly [string, string])[] = [
    ["6.1.0-28-amd64", "works"],
    ["5.3.0", "works"],
    ["5.2.21-generic", "degraded"],
    ["4.19.0-27-amd64", "degraded"],
    ["4.4.0-210-generic", "degraded"],
    ["4.3.9", "fails"],
    ["3.10.0-1160.el7.x86_64", "fails"],
    ["10.0", "works"],
    ["plan9", "unknown"],
  ];
  for (const [release, state] of KERNELS)
    test(`${release} ${state}`, () => expect(kernel(release).state).toBe(state as ReturnType<typeof kernel>["state"]));
});

function check(run: Check["run"]): Check {
  return { name: "x", purpose: "y", run };
}

function denied(): never {
  throw Object.assign(new Error("denied"), { code: "EACCES" });
}

describe("an examination", () => {
  const host = fakeHost();
  afterAll(host.close);
  const ROWS: readonly (readonly [string, Check["run"], number, number, RegExp])[] = [
    [
      "that works is healthy",
      () => ({ state: "works", detail: "d" }),
      0,
      0,
      /^ok {8}x: d\n\nEverything that protection needs works\.\n$/,
    ],
    [
      "that fails says what for and what to do, and exits 1",
      () => ({ state: "fails", detail: "d", remedy: "r" }),
      0,
      1,
      /^FAILS {5}x: d\n +needed for: y\n +what to do: r\n\n1 check failed/,
    ],
    ["that is degraded exits 0", () => ({ state: "degraded", detail: "d" }), 0, 0, /0 checks failed, 1 degraded/],
    [
      "that is refused without root is unknown and names sudo",
      denied,
      1000,
      0,
      /unknown {3}x: may be looked at by root only[\s\S]*sudo algo-monitor doctor/,
    ],
    ["that is refused to root is unknown with the reason", denied, 0, 0, /unknown {3}x: could not be checked: denied/],
    ["shows hostile text escaped", () => ({ state: "works", detail: "\u001b[2J" }), 0, 0, /x: \\x1b\[2J/],
  ];
  for (const [name, run, uid, exit, out] of ROWS) {
    test(name, async () => {
      const answered = await examine(host.cli({ uid }), [check(run)]);
      expect(answered.ok && answered.value.exit).toBe(exit as 0 | 1);
      expect(answered.ok && answered.value.text).toMatch(out);
    });
  }

  test("of this very host settles every check in a sentence, as root and without", async () => {
    for (const uid of [0, 1000]) {
      const answered = await examine(host.cli({ uid }), CHECKS);
      const text = answered.ok ? answered.value.text : "";
      for (const { name } of CHECKS)
        expect(text).toMatch(new RegExp(`^(ok|degraded|FAILS|unknown) +${name.replace("/", "\\/")}: \\S`, "m"));
      expect(text).not.toContain("could not be checked");
    }
  });
});

describe("a path to be trusted", () => {
  // Folders above the file count too: /var/tmp is root's and sticky.
  function withFile(mode: number, folderMode: number, judge: (path: string, folder: string) => void): void {
    const folder = mkdtempSync("/var/tmp/algo-trust-");
    const path = join(folder, "agent");
    try {
      writeFileSync(path, "x");
      chmodSync(path, mode);
      chmodSync(folder, folderMode);
      judge(path, folder);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }
  const ownUid = process.geteuid?.() ?? 0;
  const MODES: readonly (readonly [string, number, number, RegExp | undefined])[] = [
    ["of root's alone is accepted", 0o755, 0o755, undefined],
    ["that others can write is refused", 0o757, 0o755, /can be changed by others than root \(mode 757\)/],
    ["that a group can write is refused", 0o775, 0o755, /can be changed by others/],
    ["in a folder that others can write is refused", 0o755, 0o777, /can be changed by others/],
    ["in a sticky folder is accepted: nobody can replace it", 0o755, 0o1777, undefined],
    ["that nobody can run is refused", 0o644, 0o755, /is not executable/],
  ];
  for (const [name, mode, folderMode, refusal] of MODES) {
    test(name, () =>
      withFile(mode, folderMode, (path) => {
        const checked = checkTrustedPath(path, ownUid);
        expect(checked.ok ? "" : checked.fault.message).toMatch(refusal ?? /^$/);
      }),
    );
  }

  test("that belongs to somebody else is refused", () =>
    withFile(0o755, 0o755, (path) => {
      chownSync(path, 12_345, 12_345);
      expect(checkTrustedPath(path)).toMatchObject({
        ok: false,
        fault: { message: `${path} belongs to uid 12345, who can put another program there` },
      });
    }));

  test("that is a link is followed and said", () =>
    withFile(0o755, 0o755, (path, folder) => {
      symlinkSync(path, join(folder, "link"));
      expect(checkTrustedPath(join(folder, "link"), ownUid)).toMatchObject({
        ok: true,
        value: { path, notes: [expect.stringContaining("leads to")] },
      });
    }));

  for (const path of ["/bin/sh", "/usr/bin/env/..", "/bin/bash"])
    test(`${path} is refused`, () => expect(checkTrustedPath(path).ok).toBe(false));
});
