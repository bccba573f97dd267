// Everything of a rule file but its detection: title, level, tags, logsource and our own key `algo_monitor`.
// Sigma leaves other keys to the author, so those are let through; inside `algo_monitor` an unknown key is refused.
import type { Level, ResponseKind, RuleRef } from "../core/nouns.ts";
import type { RuleLogSource } from "./logsources.ts";
import { nearest } from "./sigma/suggest.ts";
import { entryOf, type MapEntry, type Node, type Place, type Problem } from "./sigma/yaml.ts";

/** Ours, or written by the site in rules.d/. */
export type RuleOrigin = "own" | "site";

export interface Metadata {
  readonly ref: RuleRef;
  readonly title: string;
  readonly description: string;
  readonly level: Level;
  readonly tags: readonly string[];
  readonly falsePositives: readonly string[];
  readonly references: readonly string[];
  readonly logsource: RuleLogSource;
  readonly response: Exclude<ResponseKind, "off">;
  readonly foldBy: readonly string[];
  readonly triage: string;
  readonly message: string;
}

export interface NamedField {
  readonly name: string;
  readonly where: string;
  readonly place: Place;
}

interface Read {
  readonly metadata: Metadata;
  readonly weights: readonly { readonly name: string; readonly points: number; readonly place: Place }[];
  /** Fields named outside the detection. */
  readonly namedFields: readonly NamedField[];
  readonly problems: readonly Problem[];
}

const LEVELS: readonly Level[] = ["informational", "low", "medium", "high", "critical"];
const RESPONSES: readonly Metadata["response"][] = ["monitor", "alert", "disconnect", "kill"];
const OWN_KEYS = ["version", "response", "fold_by", "triage", "message", "weights"];
const FOLD_BY_DEFAULT = ["process.executable", "process.parent.executable", "user.name", "destination.ip"];
const TRIAGE_DEFAULT = "Look at what the process is, who started it and whom it talks to.";
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;
const TEXT_CHARACTERS_MAX = 8192;
const START: Place = { line: 1, column: 1 };

export function readMetadata(tree: Node, name: string, origin: RuleOrigin): Read {
  const problems: Problem[] = [];
  const top = (key: string): MapEntry | undefined => entryOf(tree, key);
  if (tree.kind !== "map") problems.push({ ...START, message: "a rule is a map with title, logsource and detection" });
  if (!NAME.test(name))
    problems.push({ ...START, message: `"${name}" is not a rule name`, remedy: "use a-z, 0-9 and _" });
  const isCorrelation = top("correlation") !== undefined;
  if (isCorrelation) problems.push({ ...START, message: "correlation rules are not supported yet" });
  const own = readOwn(top("algo_monitor"), problems);
  const id = text(top("id"), problems);
  if (id !== undefined && !UUID.test(id)) problems.push({ ...placeOf(top("id")), message: `id "${id}" is not a UUID` });
  if (id === undefined && origin === "own")
    problems.push({ ...START, message: "a rule needs an id", remedy: "uuidgen makes one" });
  const title = text(top("title"), problems);
  if (title === undefined) problems.push({ ...START, message: "a rule needs a title" });
  const metadata: Metadata = {
    ref: { id: (id ?? name).toLowerCase(), name, version: own.version },
    title: title ?? name,
    description: text(top("description"), problems)?.trim() ?? "",
    level: oneOf(top("level"), LEVELS, problems) ?? "medium",
    tags: texts(top("tags"), problems),
    falsePositives: texts(top("falsepositives"), problems),
    references: texts(top("references"), problems),
    logsource: readLogsource(top("logsource"), problems),
    response: own.response,
    foldBy: own.foldBy ?? FOLD_BY_DEFAULT,
    triage: own.triage,
    message: own.message,
  };
  return { metadata, weights: own.weights, namedFields: own.namedFields, problems };
}

function readLogsource(entry: MapEntry | undefined, problems: Problem[]): RuleLogSource {
  if (entry?.value.kind !== "map") {
    problems.push({ ...placeOf(entry), message: "a rule needs a `logsource` with category, product or service" });
    return {};
  }
  const of = (key: string): string | undefined => text(entryOf(entry.value, key), problems);
  const [category, product, service] = [of("category"), of("product"), of("service")];
  if (category === undefined && product === undefined && service === undefined) {
    problems.push({ ...entry.place, message: "an empty logsource would see everything" });
  }
  return {
    ...(category === undefined ? {} : { category }),
    ...(product === undefined ? {} : { product }),
    ...(service === undefined ? {} : { service }),
  };
}

interface Own {
  readonly version: number;
  readonly response: Metadata["response"];
  readonly foldBy: readonly string[] | undefined;
  readonly triage: string;
  readonly message: string;
  readonly weights: Read["weights"];
  readonly namedFields: readonly NamedField[];
}

function readOwn(entry: MapEntry | undefined, problems: Problem[]): Own {
  const at = (key: string): MapEntry | undefined => entryOf(entry?.value, key);
  if (entry !== undefined && entry.value.kind !== "map")
    problems.push({ ...entry.place, message: "`algo_monitor` is a map" });
  for (const { key, place } of entry?.value.kind === "map" ? entry.value.entries : []) {
    if (OWN_KEYS.includes(key)) continue;
    const guess = nearest(key, OWN_KEYS);
    const problem = { ...place, message: `algo_monitor has no key "${key}"` };
    problems.push(guess === undefined ? problem : { ...problem, remedy: `did you mean "${guess}"?` });
  }
  const foldEntry = at("fold_by");
  const foldBy = foldEntry === undefined ? undefined : texts(foldEntry, problems);
  const messageEntry = at("message");
  const message = text(messageEntry, problems)?.trim() ?? "";
  const namedFields = [
    ...(foldBy ?? []).map((name) => ({ name, where: "algo_monitor.fold_by", place: placeOf(foldEntry) })),
    ...placeholdersOf(message).map((name) => ({ name, where: "algo_monitor.message", place: placeOf(messageEntry) })),
  ];
  return {
    version: integer(at("version"), problems) ?? 1,
    response: oneOf(at("response"), RESPONSES, problems) ?? "alert",
    foldBy,
    triage: text(at("triage"), problems)?.trim() ?? TRIAGE_DEFAULT,
    message,
    weights: readWeights(at("weights"), problems),
    namedFields,
  };
}

/** The field names between braces. */
export function placeholdersOf(message: string): string[] {
  return [...message.matchAll(/\{([^{}]*)\}/g)].map((found) => found[1] ?? "");
}

function readWeights(entry: MapEntry | undefined, problems: Problem[]): Read["weights"] {
  if (entry === undefined) return [];
  if (entry.value.kind !== "map") {
    problems.push({ ...entry.place, message: "algo_monitor.weights is a map of selection names and points" });
    return [];
  }
  return entry.value.entries.map((weight) => {
    const points = integer(weight, problems) ?? 0;
    if (points < 1 || points > 100) problems.push({ ...placeOf(weight), message: "a weight is from 1 to 100" });
    return { name: weight.key, points, place: weight.place };
  });
}

function text(entry: MapEntry | undefined, problems: Problem[]): string | undefined {
  if (entry === undefined) return undefined;
  const { value } = entry;
  if (value.kind === "scalar" && value.value === null) return undefined;
  if (value.kind === "scalar" && String(value.value).length <= TEXT_CHARACTERS_MAX) return String(value.value);
  problems.push({
    ...placeOf(entry),
    message: `${entry.key} must be a text of at most ${TEXT_CHARACTERS_MAX} characters`,
  });
  return undefined;
}

function integer(entry: MapEntry | undefined, problems: Problem[]): number | undefined {
  if (entry === undefined) return undefined;
  const value = entry.value.kind === "scalar" ? entry.value.value : undefined;
  if (typeof value === "number" && Number.isInteger(value)) return value;
  problems.push({ ...placeOf(entry), message: `${entry.key} must be a whole number` });
  return undefined;
}

function texts(entry: MapEntry | undefined, problems: Problem[]): string[] {
  if (entry === undefined) return [];
  const nodes = entry.value.kind === "list" ? entry.value.items : [entry.value];
  const found: string[] = [];
  for (const node of nodes) {
    if (node.kind === "scalar" && node.value !== null) found.push(String(node.value));
    else if (node.kind !== "scalar")
      problems.push({ line: node.line, column: node.column, message: `${entry.key} is a list of texts` });
  }
  return found;
}

function oneOf<T extends string>(entry: MapEntry | undefined, known: readonly T[], problems: Problem[]): T | undefined {
  const value = text(entry, problems);
  if (entry === undefined || value === undefined) return undefined;
  const found = known.find((candidate) => candidate === value);
  const message = `${entry.key} "${value}" is not known`;
  if (found === undefined) problems.push({ ...placeOf(entry), message, remedy: `use one of ${known.join(", ")}` });
  return found;
}

/** Of the value, which is what is wrong when something is. */
function placeOf(entry: MapEntry | undefined): Place {
  if (entry === undefined) return START;
  return { line: entry.value.line, column: entry.value.column };
}
