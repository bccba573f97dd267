/**
 * States that a new process carries a text of the site's own lists: SUSPICIOUS_PATTERNS in its name, executable, script
 * or command line, REVERSE_SHELL_INDICATORS in its command line. Silent on what the system itself does. Once per process.
 */
import type { EventDraft } from "../../core/nouns.ts";
import type { Process } from "../../core/process.ts";
import { processFields } from "../../core/render.ts";
import type { HostView } from "../../core/view.ts";
import type { ListHit, ProcessLists } from "../site/process_lists.ts";
import { isVouchedFor } from "../site/vouched.ts";
import { type Detector, derived } from "./detector.ts";
import { createOncePerProcess } from "./new_processes.ts";

/** More entries of one list say no more of a process. */
const HITS_MAX = 1;

export function createSitePatternsDetector(lists: () => ProcessLists): Detector {
  const once = createOncePerProcess();
  return {
    id: "site_patterns",
    emits: ["name_pattern", "shell_indicator"],
    sweep: (view) => {
      const current = lists();
      return once.fresh(view).flatMap((process) => inspect(view, process, current));
    },
  };
}

function inspect(view: HostView, process: Process, lists: ProcessLists): readonly EventDraft[] {
  const script = view.scriptOf(process);
  const commandLine = process.argv.join(" ");
  const patterns = lists.suspicious({
    name: process.name,
    executable: process.executable?.path ?? "",
    script: script.kind === "file" ? script.path : "",
    commandLine,
  });
  const indicators = lists.indicators(commandLine);
  if ((patterns.length === 0 && indicators.length === 0) || isVouchedFor(view, process)) return [];
  return [
    ...patterns.slice(0, HITS_MAX).map((hit) => hitDraft(view, process, hit, "name_pattern", "site-pattern-matched")),
    ...indicators.slice(0, HITS_MAX).map((hit) => hitDraft(view, process, hit, "shell_indicator", "site-text-found")),
  ];
}

function hitDraft(view: HostView, process: Process, hit: ListHit, category: string, action: string): EventDraft {
  const fields = {
    ...processFields(view, process),
    "pattern.key": hit.key,
    "pattern.text": hit.text,
    "pattern.subject": hit.subject,
    "pattern.matched": hit.matched,
  };
  return derived(category, action, process, fields, { actors: [process.ref], relays: [], sockets: [] });
}
