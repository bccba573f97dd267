/**
 * What each key of the replaced Python service did there, and does here: told when an install takes over from it, and
 * whenever somebody asks. docs/migration.md has the same rows (tested). Pure.
 */
import type { Config } from "./schema.ts";

export interface OldKey {
  readonly key: string;
  /** What the old service did with it. */
  readonly did: string;
  /** What is done with it here, as a sentence without a subject. */
  readonly does: string;
  /** The old service terminated processes because of it, and nothing does here by default. */
  readonly killed: boolean;
}

export interface Difference extends OldKey {
  /** How many entries the file gives it; undefined where it is no list. */
  readonly entries?: number;
  /** One line for an operator. */
  readonly text: string;
}

export const OLD_KEYS = [
  {
    key: "SUSPICIOUS_PATTERNS",
    did: "terminated new processes whose name or command line matched",
    does: "warns once for each executable; on verified programs of the system only raises the score of other findings",
    killed: true,
  },
  {
    key: "REVERSE_SHELL_INDICATORS",
    did: "read these texts as regular expressions by accident, so that `curl <URL> | sh` hit any ` sh`",
    does: "warns, each text taken as it stands, from word to word; what is wired to a connection is killed whatever it is called",
    killed: false,
  },
  {
    key: "SUSPICIOUS_NETWORK_PATTERNS",
    did: "was compared with the bare address only, also of connections that came in, so most entries never matched",
    does: "warns about connections this host opened, by address, address:port and known name; peers in private networks are an INFO",
    killed: false,
  },
  {
    key: "TRUSTED_PORTS",
    did: "never matched: numbers were compared with texts",
    does: "makes listeners of verified programs on these ports known; another port of a public address is one WARNING for each executable",
    killed: false,
  },
  {
    key: "PROCESS_THRESHOLDS",
    did: "reported any one limit at every scan; threads were never read",
    does: "warns once for each process, after three scans in a row; cpu_percent 100 is one core",
    killed: false,
  },
  {
    key: "PROTECTED_DIRECTORIES",
    did: "watched these directories (globs were never expanded) and trusted every program below them",
    does: "watches them, globs expanded, and trusts nothing for lying there: a program is known if it is root's and nobody else can write it",
    killed: false,
  },
  {
    key: "TRUSTED_SYSTEM_PROCESSES",
    did: "exempted any process of that name from everything, whatever file it ran",
    does: "honours a name only for root's file of that name in a system directory; silences what a program looks like, not what it does",
    killed: false,
  },
  {
    key: "TRUSTED_SYSTEM_PATTERNS",
    did: "exempted processes whose name began like a kernel thread's",
    does: "asks the kernel who is a kernel thread; a program that wears such a name is told as masquerading",
    killed: false,
  },
  {
    key: "TRUSTED_USERS_PATTERNS",
    did: "exempted processes whose name began so from everything",
    does: "silences only `unknown process` for them",
    killed: false,
  },
  {
    key: "TRUSTED_DIRECTORIES",
    did: "had no effect",
    does: "silences unusual file modes below; never content, owner, setuid programs elsewhere, or trust",
    killed: false,
  },
  {
    key: "DISTRO_SPECIFIC_ALLOWANCES",
    did: "was never read",
    does: "adds the names for this distribution to TRUSTED_SYSTEM_PROCESSES, on the same conditions",
    killed: false,
  },
  {
    key: "LOG_LEVELS",
    did: "muted every level it did not name, everywhere",
    does: "filters log files, journald and desktop; the database has all, and a kill is always logged",
    killed: false,
  },
] as const satisfies readonly OldKey[];

/** One for each key of the old service that the file sets, in the order of OLD_KEYS. */
export function differencesOf(config: Config, keysSet: readonly string[]): readonly Difference[] {
  return OLD_KEYS.filter(({ key }) => keysSet.includes(key)).map((row) => {
    // Its fields are always the same, only their limits differ.
    const entries = row.key === "PROCESS_THRESHOLDS" ? undefined : entriesOf(config[row.key]);
    const count = entries === undefined ? "" : ` (${entries})`;
    const text = `${row.key}${count}: ${row.killed ? "no longer kills; " : ""}${row.does}. Before, it ${row.did}.`;
    return { ...row, ...(entries === undefined ? {} : { entries }), text };
  });
}

/** What is true of every configuration. */
export const ALWAYS_DIFFERENT: readonly string[] = [
  "Killed by default: a command interpreter wired to a remote connection, and a miner that works for a pool. Nothing else.",
  'A rule that only warns is made to kill by RULES, for example {"NAME": "kill"}; `algo-monitor rules list` has the names.',
];

function entriesOf(value: unknown): number | undefined {
  if (Array.isArray(value)) return value.length;
  return typeof value === "object" && value !== null ? Object.keys(value).length : undefined;
}
