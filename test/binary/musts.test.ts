// The four musts of a root program (ARCHITECTURE), asked of the built executable and of the unit that starts it.
// Nothing here needs root; every trap is first shown to work on a default build, so that no row can pass by itself.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import packageJson from "../../package.json" with { type: "json" };
import { builtExecutable, ROOT, run } from "./built.ts";

const work = mkdtempSync(join(tmpdir(), "algo-monitor-musts-"));
const hostile = join(work, "hostile");
const marker = join(work, "marker");
const defaultBuild = join(work, "default-build");
let executable = "";

beforeAll(() => {
  executable = builtExecutable();
  layTraps();
  writeFileSync(join(work, "probe.ts"), `console.log("ALGO_HOME is " + (process.env.ALGO_HOME ?? "unset"));`);
  const built = run([process.execPath, "build", "--compile", join(work, "probe.ts"), `--outfile=${defaultBuild}`], {
    cwd: work,
  });
  expect(built.exitCode, built.out).toBe(0);
}, 120_000);
afterAll(() => rmSync(work, { recursive: true, force: true }));

/** A directory that takes over any program that believes what lies where it was started. */
function layTraps(): void {
  mkdirSync(join(hostile, "node_modules", "commander"), { recursive: true });
  const mark = (by: string): string => `require("node:fs").appendFileSync(${JSON.stringify(marker)}, "${by}\\n");`;
  const files: Record<string, string> = {
    "bunfig.toml": `preload = ["./preload.js"]\n[run]\nlogLevel = "debug"\n[test]\npreload = ["./preload.js"]\n`,
    "preload.js": mark("preload"),
    ".env": "ALGO_HOME=/from-dot-env\nALGO_RUN=/from-dot-env\nNO_COLOR=from-dot-env\n",
    ".env.production": "ALGO_HOME=/from-dot-env-production\n",
    ".env.local": "ALGO_HOME=/from-dot-env-local\n",
    "package.json": JSON.stringify({
      name: "algo-monitor",
      version: "6.6.6",
      main: "./preload.js",
      imports: { "#x": "./preload.js" },
      bun: { preload: ["./preload.js"] },
      scripts: { version: "echo taken over" },
    }),
    "tsconfig.json": JSON.stringify({
      compilerOptions: { paths: { "*": ["./preload.js"], commander: ["./preload.js"] } },
    }),
    "node_modules/commander/package.json": JSON.stringify({ name: "commander", version: "99.0.0", main: "index.js" }),
    "node_modules/commander/index.js": mark("node_modules"),
    "version.ts": mark("version.ts"),
    version: mark("version"),
    ".npmrc": "registry=http://127.0.0.1:9/\n",
  };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(hostile, name), text);
}

function takeMarker(): string {
  const text = existsSync(marker) ? readFileSync(marker, "utf8") : "";
  rmSync(marker, { force: true });
  return text;
}

test("the trap works: a default build runs the preload and takes over the .env of its directory", () => {
  const taken = run([defaultBuild], { cwd: hostile });
  expect(takeMarker()).toContain("preload");
  expect(taken.out).toContain("ALGO_HOME is /from-dot-env");
});

const COMMANDS: readonly (readonly string[])[] = [
  ["version"],
  ["--help"],
  ["version", "--json"],
  ["config", "schema"],
  ["no-such-command"],
];

test.each(COMMANDS.map((command) => [command.join(" "), command] as const))(
  "must 1: `algo-monitor %s` in a hostile directory says and does what it does anywhere",
  (_name, command) => {
    const there = run([executable, ...command], { cwd: hostile });
    const anywhere = run([executable, ...command], { cwd: "/" });
    expect(there).toEqual(anywhere);
    expect(takeMarker()).toBe("");
  },
);

test("must 1: version and name come from the build, not from a package.json beside it", () => {
  const said = run([executable, "version"], { cwd: hostile }).out;
  expect(said).toContain(packageJson.version);
  expect(said).not.toContain("6.6.6");
});

test("must 1: a .env of the working directory moves no path", () => {
  const said = run([executable, "config", "check"], { cwd: hostile });
  expect(said.out).not.toContain("from-dot-env");
  expect(said.out).toContain("/opt/.monitor");
});

test("must 2: BUN_BE_BUN still turns the executable into bun, which is why the unit clears it", () => {
  const said = run([executable, "--version"], { env: { BUN_BE_BUN: "1" } });
  expect(said.out.trim()).toBe(Bun.version);
});

test("must 2: BUN_OPTIONS still preloads code into the executable, which is why the unit clears it", () => {
  run([executable, "version"], { env: { BUN_OPTIONS: `--preload=${join(hostile, "preload.js")}` } });
  expect(takeMarker()).toContain("preload");
});

const unit = readFileSync(join(ROOT, "algo-monitor.service"), "utf8");

function settings(name: string): string[] {
  return [...unit.matchAll(new RegExp(`^${name}=(.*)$`, "gm"))].flatMap((match) => (match[1] ?? "").split(/\s+/));
}

const CLEARED = [
  ...[
    "BUN_BE_BUN",
    "BUN_OPTIONS",
    "BUN_INSPECT",
    "BUN_INSPECT_PRELOAD",
    "BUN_INSPECT_CONNECT_TO",
    "BUN_INSTALL",
    "BUN_TMPDIR",
  ],
  ...[
    "NODE_OPTIONS",
    "NODE_PATH",
    "NODE_TLS_REJECT_UNAUTHORIZED",
    "NODE_EXTRA_CA_CERTS",
    "LD_PRELOAD",
    "LD_LIBRARY_PATH",
    "LD_AUDIT",
  ],
  ...["ALGO_HOME", "ALGO_RUN"],
];

test.each(CLEARED)("must 2: the unit clears %s", (name) => {
  expect(settings("UnsetEnvironment")).toContain(name);
});

test("must 2: the unit starts the executable in / and sets nothing but how the engine compiles", () => {
  expect(settings("WorkingDirectory")).toEqual(["/"]);
  const names = settings("Environment").map((setting) => setting.split("=")[0] ?? "");
  expect(names.filter((name) => !/^BUN_JSC_(use(FTL)JIT|threshold\w+|numberOf\w+)$/.test(name))).toEqual([]);
  expect(settings("EnvironmentFile")).toEqual([]);
  expect(settings("PassEnvironment")).toEqual([]);
});

/** Each of these gives the service a mount namespace of its own: /tmp, /proc/PID/exe and inodes would not be the host's. */
const UNSHARING =
  "ProtectSystem ProtectHome PrivateTmp PrivateDevices ProtectKernelTunables ProtectKernelModules ProtectKernelLogs ProtectControlGroups ProtectProc ProcSubset ReadWritePaths ReadOnlyPaths InaccessiblePaths ExecPaths NoExecPaths BindPaths BindReadOnlyPaths TemporaryFileSystem PrivateMounts PrivateUsers PrivateNetwork PrivatePIDs DynamicUser RootDirectory RootImage MountImages ExtensionImages LogNamespace NetworkNamespacePath";

test.each(UNSHARING.split(" "))("the unit does not hide the host from its guard with %s", (name) => {
  expect(settings(name)).toEqual([]);
});

test("the unit keeps what just-in-time compiling needs", () => {
  expect(settings("MemoryDenyWriteExecute")).toEqual([]);
  expect(settings("LimitAS")).toEqual([]);
});
