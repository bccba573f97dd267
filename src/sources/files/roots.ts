/**
 * The directories that PROTECTED_DIRECTORIES stands for right now: globs expanded, links resolved, each directory once.
 * Nothing on a foreign filesystem is touched on the way, by name alone. Costs about 20 us a pattern.
 */
import { lstatSync, readdirSync, readlinkSync, type Stats } from "node:fs";
import type { Mounts } from "../../host/mounts.ts";

const DIRECTORIES_MAX = 10_000;
const LINKS_MAX = 40;
const GLOB = /[*?[\]{}]/;

export interface Root {
  /** Without a slash at the end, links resolved. */
  readonly path: string;
  /** Indexes of the patterns that stand for it. */
  readonly patterns: readonly number[];
}

export interface Roots {
  /** None lies in another. */
  readonly outer: readonly Root[];
  /** Those that do: walked with the one around them. */
  readonly nested: readonly Root[];
  /** Of patterns and directories, with the reason. */
  readonly skipped: readonly { readonly pattern: number; readonly path: string; readonly reason: string }[];
  readonly overLimit: number;
}

export function expandRoots(patterns: readonly string[], mounts: Mounts): Roots {
  const found = new Map<string, { path: string; identity: string; patterns: number[] }>();
  const byIdentity = new Map<string, string>();
  const skipped: { pattern: number; path: string; reason: string }[] = [];
  let overLimit = 0;
  patterns.forEach((pattern, index) => {
    for (const path of expandGlob(pattern, mounts)) {
      const resolved = resolve(path, mounts);
      if (resolved.kind === "skipped") skipped.push({ pattern: index, path, reason: resolved.reason });
      if (resolved.kind !== "directory") continue;
      const known = found.get(byIdentity.get(resolved.identity) ?? resolved.path);
      if (known !== undefined) {
        if (!known.patterns.includes(index)) known.patterns.push(index);
      } else if (found.size >= DIRECTORIES_MAX) overLimit++;
      else {
        found.set(resolved.path, { path: resolved.path, identity: resolved.identity, patterns: [index] });
        byIdentity.set(resolved.identity, resolved.path);
      }
    }
  });
  const all = [...found.values()];
  const isNested = (root: Root): boolean => all.some((other) => other !== root && isBelow(root.path, other.path));
  return {
    outer: all.filter((root) => !isNested(root)),
    nested: all.filter(isNested),
    skipped,
    overLimit,
  };
}

/** Whether a path lies below a directory. */
export function isBelow(path: string, directory: string): boolean {
  return directory === "/" ? path !== "/" : path.startsWith(`${directory}/`);
}

/** `**` at the end says no more than the directory does; a glob stands for one component. */
function expandGlob(pattern: string, mounts: Mounts): readonly string[] {
  const components = pattern.split("/").filter((part) => part !== "" && part !== ".");
  while (components.at(-1) === "**") components.pop();
  let paths: string[] = [""];
  for (const component of components) {
    if (!GLOB.test(component)) {
      paths = paths.map((path) => `${path}/${component}`);
      continue;
    }
    const glob = new Bun.Glob(component);
    paths = paths
      .flatMap((path) =>
        namesIn(path, mounts)
          .filter((name) => glob.match(name))
          .map((name) => `${path}/${name}`),
      )
      .slice(0, DIRECTORIES_MAX);
  }
  return paths.map((path) => (path === "" ? "/" : path));
}

function namesIn(path: string, mounts: Mounts): readonly string[] {
  const resolved = resolve(path === "" ? "/" : path, mounts);
  if (resolved.kind !== "directory") return [];
  try {
    return readdirSync(resolved.path).sort();
  } catch {
    return [];
  }
}

type Resolved =
  | { readonly kind: "directory"; readonly path: string; readonly identity: string }
  | { readonly kind: "missing" }
  | { readonly kind: "skipped"; readonly reason: string };

/** realpath(3), but it looks at the table of mounts before it touches a component. */
function resolve(path: string, mounts: Mounts): Resolved {
  let done = "";
  let rest = path.split("/");
  let links = 0;
  let stats: Stats | undefined = lstatSync("/");
  while (rest.length > 0) {
    const [component = "", ...others] = rest;
    rest = others;
    if (component === "" || component === ".") continue;
    if (component === "..") {
      done = done.slice(0, Math.max(0, done.lastIndexOf("/")));
      stats = statOf(done === "" ? "/" : done);
      continue;
    }
    const at = `${done}/${component}`;
    const foreign = mounts.foreignAt(at);
    if (foreign !== undefined) return { kind: "skipped", reason: `on another filesystem (${foreign.type})` };
    stats = statOf(at);
    if (stats === undefined) return { kind: "missing" };
    if (!stats.isSymbolicLink()) {
      done = at;
      continue;
    }
    const target = ++links > LINKS_MAX ? undefined : targetOf(at);
    if (target === undefined) return { kind: "skipped", reason: "a link that leads nowhere" };
    if (target.startsWith("/")) done = "";
    stats = statOf(done === "" ? "/" : done);
    rest = [...target.split("/"), ...rest];
  }
  if (stats === undefined) return { kind: "missing" };
  if (!stats.isDirectory()) return { kind: "skipped", reason: "not a directory" };
  return { kind: "directory", path: done === "" ? "/" : done, identity: `${stats.dev}:${stats.ino}` };
}

function statOf(path: string): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}

function targetOf(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}
