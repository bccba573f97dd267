// Who may import whom and who may touch what, as one table over the text of src/**/*.ts.
// Trusts Bun's own parser for imports and for taking comments away; type imports count as imports too.
// Costs about 1 ms a file; used by src/boundaries.test.ts only.
import { dirname, join, normalize } from "node:path";

export interface SourceFile {
  /** Relative to src/, with forward slashes: `cli/status.ts`. */
  readonly path: string;
  readonly text: string;
}

interface Layer {
  /** Layers it may import besides itself; `reason` of single files that may be imported is in FILE_EXCEPTIONS. */
  readonly layers: readonly string[];
  /** Packages of node_modules. */
  readonly packages: readonly string[];
  /** `node:` modules: all, none, or a list. */
  readonly node: "all" | readonly string[];
}

const NO_IO: readonly string[] = ["node:path"];

/** ARCHITECTURE: events flow one way, so do imports. A file directly in src/ belongs to the layer of its own name. */
export const LAYERS: Readonly<Record<string, Layer>> = {
  core: { layers: [], packages: [], node: [] },
  config: { layers: ["core"], packages: ["zod", "jsonc-parser", "re2js", "ipaddr.js"], node: "all" },
  sensor: { layers: ["core", "host"], packages: [], node: "all" },
  host: { layers: ["core"], packages: [], node: "all" },
  sources: { layers: ["core", "host"], packages: [], node: "all" },
  context: { layers: ["core", "host"], packages: [], node: "all" },
  detection: { layers: ["core"], packages: ["yaml", "re2js", "ipaddr.js"], node: NO_IO },
  decision: { layers: ["core"], packages: [], node: [] },
  response: { layers: ["core", "host"], packages: [], node: "all" },
  store: { layers: ["core"], packages: [], node: "all" },
  notify: { layers: ["core"], packages: ["node-notifier"], node: "all" },
  cli: { layers: ["core", "config", "host", "detection"], packages: ["commander", "zod"], node: "all" },
  daemon: {
    layers: [
      "core",
      "config",
      "sensor",
      "host",
      "sources",
      "context",
      "detection",
      "decision",
      "response",
      "store",
      "notify",
    ],
    packages: ["zod", "pidusage", "re2js"],
    node: "all",
  },
  main: { layers: ["cli"], packages: ["commander"], node: [] },
};

/** Single doors through a wall, each with its reason. */
export const FILE_EXCEPTIONS: readonly { readonly from: string; readonly to: string; readonly reason: string }[] = [
  { from: "cli/", to: "store/reader.ts", reason: "the command line reads the store, read-only" },
  { from: "cli/version.ts", to: "store/migrations.ts", reason: "`version --json` names the database it writes" },
  { from: "cli/", to: "daemon/rule_files.ts", reason: "commands must read the rules exactly as the daemon does" },
  { from: "cli/run.ts", to: "daemon/boot.ts", reason: "`run` is the daemon" },
  { from: "cli/scan.ts", to: "daemon/rehearse.ts", reason: "`scan` rehearses by itself when no daemon runs" },
  {
    from: "cli/one_shot.ts",
    to: "daemon/look_once.ts",
    reason: "`processes`, `connections` and `sessions` look by themselves when no daemon runs",
  },
  {
    from: "notify/",
    to: "host/journald.ts",
    reason: "journald is reached by a datagram of bun:ffi, which lives in host",
  },
];

interface Power {
  readonly name: string;
  /** Looked for in the code without comments and types. */
  readonly pattern: RegExp;
  /** Layers (or single files) that have this power, or those that have not. */
  readonly where: { readonly only: readonly string[] } | { readonly notIn: readonly string[] };
  readonly why: string;
}

const FS_WRITERS = [
  "appendFile",
  "chmod",
  "chown",
  "copyFile",
  "cp",
  "createWriteStream",
  "fchmod",
  "fchown",
  "ftruncate",
  "lchown",
  "link",
  "lutimes",
  "mkdir",
  "mkdtemp",
  "rename",
  "rm",
  "rmdir",
  "symlink",
  "truncate",
  "unlink",
  "utimes",
  "write",
  "writeFile",
  "writev",
];

/** `tools` and tests are exempt: they never run as root on somebody's host. */
export const POWERS: readonly Power[] = [
  {
    name: "bun:sqlite",
    pattern: /["']bun:sqlite["']/,
    where: { only: ["store"] },
    why: "one place owns the database and its migrations",
  },
  { name: "bun:ffi", pattern: /["']bun:ffi["']/, where: { only: ["host"] }, why: "one place can crash the process" },
  {
    name: "starting processes",
    pattern: /\bBun\s*\.\s*(spawn|spawnSync|\$)|["']node:(child_process|cluster)["']|["']bun["']/,
    where: { only: ["sensor", "host", "response", "notify"] },
    why: "a root daemon starts as few programs as it can",
  },
  {
    name: "writing files",
    pattern: new RegExp(
      [
        `\\b(?:${FS_WRITERS.join("|")})Sync\\s*\\(`,
        `import\\s*(?:[\\w$]+\\s*,\\s*)?\\{[^}]*\\b(?:${FS_WRITERS.join("|")})\\b[^}]*\\}\\s*from\\s*["']node:fs(?:/promises)?["']`,
        `import\\s*(?:\\*\\s*as\\s+)?[\\w$]+\\s*from\\s*["']node:fs(?:/promises)?["']`,
        `\\bBun\\s*\\.\\s*write\\s*\\(`,
        `\\bO_(?:WRONLY|RDWR|CREAT|TRUNC|APPEND)\\b`,
      ].join("|"),
    ),
    where: { only: ["store", "notify", "config", "response", "daemon/control.ts", "daemon/boot.ts"] },
    why: "what changes on disk is found in one of four places (the daemon's own directories and socket apart)",
  },
  {
    name: "signals by bare pid",
    pattern: /(?<![.\w])process\s*\.\s*kill\s*\(/,
    where: { only: [] },
    why: "a pid is reused; signals go through host/signals.ts by pidfd and start time",
  },
  {
    name: "patterns on the built-in engine",
    pattern: /\bRegExp\s*\(/,
    where: { notIn: ["detection", "config", "decision"] },
    why: "it gives up after 0.3 s and answers no match; patterns from rules and config run on re2js",
  },
  {
    name: "parsers that keep the last of two equal keys",
    pattern: /\bBun\s*\.\s*(YAML|JSONC?|TOML|JSON5)\b|\bJSON\s*\.\s*parse\s*\(/,
    where: { notIn: ["detection", "config"] },
    why: "rules and config are read by parsers that refuse repeated keys (yaml strict, jsonc-parser)",
  },
  {
    name: "time, waiting, talking and chance",
    pattern:
      /\bDate\s*\.\s*now\b|\bnew Date\s*\(\s*\)|\bperformance\s*\.|\basync\b|\bawait\b|\bset(Timeout|Interval|Immediate)\b|\bconsole\s*\.|\bMath\s*\.\s*random\b|\bBun\s*\.|(?<![.\w])process\s*\.\s*(?:cpuUsage|cwd|env|exit|getuid|hrtime|memoryUsage|nextTick|on|once|std(?:in|out|err))\b/,
    where: { notIn: ["detection", "decision"] },
    why: "detection and decision are pure: they can be replayed and fuzzed",
  },
  {
    name: "code from text",
    pattern: /\beval\s*\(|\bnew Function\s*\(|["']node:vm["']/,
    where: { only: [] },
    why: "a root daemon runs only the code it was built from",
  },
];

/** Every breach as one sentence: file, what it does, the rule. Empty when all is well. */
export function findBreaches(files: readonly SourceFile[]): string[] {
  const product = files.filter((file) => !isTest(file.path) && layerOf(file.path) !== "tools");
  return [...product.flatMap(importBreaches), ...product.flatMap(powerBreaches), ...findCycles(product)];
}

function isTest(path: string): boolean {
  return /\.(test|fixture|bench)\.tsx?$/.test(path) || path.includes("fixtures/");
}

function layerOf(path: string): string {
  const slash = path.indexOf("/");
  return slash < 0 ? path.replace(/\.ts$/, "") : path.slice(0, slash);
}

function importBreaches(file: SourceFile): string[] {
  const from = layerOf(file.path);
  const rule = LAYERS[from];
  if (rule === undefined)
    return [`${file.path}: ${from}/ is not in the table of layers: add it to src/tools/boundaries.ts`];
  const breaches: string[] = [];
  for (const specifier of importsOf(file.text)) {
    const say = (law: string): number => breaches.push(`${file.path} imports "${specifier}": ${law}`);
    if (specifier.startsWith(".")) {
      const to = normalize(join(dirname(file.path), specifier));
      if (to.startsWith("..")) {
        if (!to.endsWith(".json")) say("nothing outside src/ is imported, except JSON data");
        continue;
      }
      const layer = layerOf(to);
      const excepted = FILE_EXCEPTIONS.some((door) => file.path.startsWith(door.from) && door.to === to);
      if (layer !== from && !rule.layers.includes(layer) && !excepted) {
        say(`${from} may import ${listed(rule.layers)}, not ${layer}`);
      }
    } else if (specifier.startsWith("node:")) {
      if (rule.node !== "all" && !rule.node.includes(specifier))
        say(`${from} does no I/O and may use ${listed(rule.node)}`);
    } else if (!specifier.startsWith("bun:") && !rule.packages.includes(packageOf(specifier))) {
      say(`${from} may use ${listed(rule.packages)} of the packages`);
    }
  }
  return breaches;
}

function listed(names: readonly string[]): string {
  return names.length === 0 ? "nothing" : names.join(", ");
}

function packageOf(specifier: string): string {
  const parts = specifier.split("/");
  return specifier.startsWith("@") ? parts.slice(0, 2).join("/") : (parts[0] ?? specifier);
}

const transpiler = new Bun.Transpiler({ loader: "ts" });
/** scanImports leaves type imports out; at the start of a statement they look like this. */
const STATIC_IMPORT = /^(?:import|export)\s+(?:type\s+)?[\w*{}\s,$]*?\s*from\s*["']([^"']+)["']/gm;

/** Specifiers of all imports of a file, type-only ones included. */
function importsOf(text: string): string[] {
  const found = new Set(valueImportsOf(text));
  for (const match of text.matchAll(STATIC_IMPORT)) if (match[1] !== undefined) found.add(match[1]);
  for (const match of text.matchAll(/\bimport\(\s*["']([^"']+)["']\s*\)/g))
    if (match[1] !== undefined) found.add(match[1]);
  return [...found].sort();
}

function valueImportsOf(text: string): string[] {
  return transpiler.scanImports(text).map((found) => found.path);
}

function powerBreaches(file: SourceFile): string[] {
  const layer = layerOf(file.path);
  const code = transpiler.transformSync(file.text);
  return POWERS.flatMap((power) => {
    const { where } = power;
    const named = (names: readonly string[]): boolean => names.includes(layer) || names.includes(file.path);
    if ("only" in where ? !named(where.only) : named(where.notIn)) {
      const match = power.pattern.exec(code);
      if (match === null) return [];
      const law = "only" in where ? `belongs to ${listed(where.only)}` : `is refused in ${listed(where.notIn)}`;
      return [`${file.path} has \`${match[0].trim().slice(0, 80)}\`: ${power.name} ${law}, because ${power.why}`];
    }
    return [];
  });
}

/** Each cycle once, as the path that closes it. Lazily imported files (`await import`) count too. */
function findCycles(files: readonly SourceFile[]): string[] {
  const known = new Set(files.map((file) => file.path));
  const edges = new Map(
    files.map((file) => [
      file.path,
      valueImportsOf(file.text)
        .filter((specifier) => specifier.startsWith("."))
        .map((specifier) => normalize(join(dirname(file.path), specifier)))
        .filter((path) => known.has(path)),
    ]),
  );
  const finished = new Set<string>();
  const cycles: string[] = [];
  const visit = (path: string, trail: readonly string[]): void => {
    const at = trail.indexOf(path);
    if (at >= 0) {
      cycles.push(`imports go in a circle: ${[...trail.slice(at), path].join(" -> ")}`);
      return;
    }
    if (finished.has(path)) return;
    for (const next of edges.get(path) ?? []) visit(next, [...trail, path]);
    finished.add(path);
  };
  for (const path of edges.keys()) visit(path, []);
  return cycles;
}
