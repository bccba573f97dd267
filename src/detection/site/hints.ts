/**
 * What the site's pattern lists say of a process, as hints: up to three, whoever it is. A hint proves nothing and adds a
 * little to the score of what is found for other reasons. Made once for each command line, as long as it is the same.
 */
import type { Process } from "../../core/process.ts";
import type { ListHit, ProcessLists } from "./process_lists.ts";

const HINTS_MAX = 3;
const TEXT_CHARACTERS_MAX = 120;
const NOTHING: readonly string[] = [];

interface Known {
  readonly lists: ProcessLists;
  readonly name: string;
  readonly executable: string;
  readonly hints: readonly string[];
}

/** For the context option `hints`: entries like `SUSPICIOUS_PATTERNS xmrig`. */
export function createHints(lists: () => ProcessLists): (process: Process) => readonly string[] {
  // A sweep hands on the same array for an argv that did not change.
  const known = new WeakMap<readonly string[], Known>();
  return (process) => {
    const executable = process.executable?.path;
    if (process.isKernelThread || executable === undefined) return NOTHING;
    const { argv, name } = process;
    const current = lists();
    const cached = known.get(argv);
    if (cached?.lists === current && cached.name === name && cached.executable === executable) return cached.hints;
    const hints = hintsOf(current, name, executable, argv.join(" "));
    known.set(argv, { lists: current, name, executable, hints });
    return hints;
  };
}

function hintsOf(lists: ProcessLists, name: string, executable: string, commandLine: string): readonly string[] {
  const hits = [
    ...lists.suspicious({ name, executable, script: "", commandLine }),
    ...lists.indicators(commandLine),
  ].slice(0, HINTS_MAX);
  return hits.length === 0 ? NOTHING : hits.map(hintText);
}

function hintText(hit: ListHit): string {
  const text = hit.text.length > TEXT_CHARACTERS_MAX ? `${hit.text.slice(0, TEXT_CHARACTERS_MAX)}...` : hit.text;
  return `${hit.key} ${text}`;
}
