/**
 * Every key of config.json, one row each: what it is, what is accepted, default, unit, example.
 * Load, JSON Schema, docs/config.md, config.example.json, `config explain` and the new-keys list of an upgrade all
 * read this table, so a new key is one new row. What a row accepts but `read` denies is kept and told once.
 */
import * as z from "zod";
import {
  type Advice,
  type AdviceContext,
  adviseExceptions,
  adviseLogLevels,
  adviseRules,
  adviseScanners,
  adviseTrustedProcesses,
} from "./advice.ts";
import {
  absolutePath,
  addressOrNetwork,
  directoryGlob,
  list,
  narrowingPattern,
  pattern,
  plainText,
  poolPeer,
  unitName,
  untilDate,
  userName,
} from "./values.ts";

export interface KeyFacts<T> {
  readonly default: T;
  /** What its numbers are counted in; empty where it holds none. */
  readonly unit: string;
  readonly description: string;
  readonly example: z.core.util.JSONType;
  /** The first version of algo-monitor that knows it. */
  readonly since: string;
  /** False for keys of the replaced service that this version accepts and keeps but does not use yet. */
  readonly read: boolean;
  /** What is legal but probably not meant. Paths are relative to the key. */
  advise?(value: T, context: AdviceContext): readonly Advice[];
  /** A list that lost all it had to mistakes means its default, where an empty one would silence us. */
  readonly refill?: boolean;
  /** For a bad value of which one meaning is safer than the default; undefined means the default. */
  rescue?(value: unknown): T | undefined;
}

/** The facts of each row, by its schema. */
const FACTS = new WeakMap<z.ZodType, KeyFacts<unknown>>();

function key<S extends z.ZodType>(schema: S, facts: KeyFacts<z.util.NoUndefined<z.output<S>>>): z.ZodDefault<S> {
  const row = schema.default(facts.default).meta({ description: facts.description, examples: [facts.example] });
  FACTS.set(row, facts);
  return row;
}

// Compiling is what a load costs: ten thousand awkward patterns held a reload for 1.7 s, a thousand for 0.2 s.
const PATTERNS_MAX = 1000;
const EXCEPTIONS_MAX = 2000;
const seconds = z.number().min(1).max(300);
const count = z.number().int().min(0).max(10_000_000);
const PORT_COMPLAINT = "is not a port; a port is a number from 1 to 65535 in quotes";
const RESPONSES = ["off", "monitor", "alert", "disconnect", "kill"] as const;

/** A rule's folder name or its UUID. */
const ruleName = z
  .string()
  .regex(
    /^[a-z0-9][a-z0-9_-]{0,127}$/i,
    "is not a rule name or id; `algo-monitor rules list` prints them, for example reverse_shell",
  );

const exceptionSchema = z
  .strictObject({
    rule: ruleName.meta({ description: "Name or id of the rule that shall stay silent. Required." }),
    exe: absolutePath.exactOptional().meta({ description: "The executable, an absolute path." }),
    parent: absolutePath.exactOptional().meta({ description: "The executable of the parent, an absolute path." }),
    user: userName.exactOptional().meta({ description: "User name or uid." }),
    args: narrowingPattern
      .exactOptional()
      .meta({ description: "RE2 pattern, searched for in the command line (arguments joined by one space)." }),
    peer: addressOrNetwork.exactOptional().meta({ description: "Remote address or network." }),
    until: untilDate
      .exactOptional()
      .meta({ description: "Last day (to its end, local time) or moment it holds. Without it: until removed." }),
    reason: plainText.meta({ description: "Why this is normal here. Required." }),
    author: plainText.exactOptional().meta({ description: "Who decided it." }),
  })
  .superRefine((entry, context) => {
    if (NARROWING_FIELDS.some((field) => entry[field] !== undefined)) return;
    context.addIssue({
      code: "custom",
      message: "narrows nothing: it would silence the whole rule",
      params: {
        remedy: `Add at least one of ${NARROWING_FIELDS.join(", ")}; to switch a rule off use RULES.`,
      },
    });
  });

/** At least one of these makes an exception narrower than its rule. All given ones must hold. */
const NARROWING_FIELDS = ["exe", "parent", "user", "args", "peer"] as const;

/** Names that are honoured only for a verified file of that name in a system directory (architecture, Trust). */
const TRUSTED_BY_DEFAULT = (
  "systemd systemd-logind systemd-udevd systemd-timesyncd systemd-networkd systemd-resolved systemd-journald init " +
  "dbus-daemon dbus-broker polkitd accounts-daemon udisksd upowerd power-profiles-daemon thermald irqbalance acpid " +
  "smartd mdadm fstrim NetworkManager ModemManager wpa_supplicant dhclient avahi-daemon chronyd ntpd " +
  "networkd-dispatcher dnsmasq sshd cron crond anacron atd rsyslogd syslog-ng fail2ban-server firewalld apt apt-get " +
  "dpkg dnf yum rpm pacman zypper snapd packagekitd fwupd cupsd cups-browsed bluetoothd colord gdm3 gdm lightdm sddm " +
  "Xorg Xwayland gnome-shell kwin_x11 kwin_wayland pipewire wireplumber pulseaudio dockerd containerd libvirtd " +
  "rpcbind smbd nmbd"
).split(" ");

const SHAPE = {
  MODE: key(z.enum(["enforce", "monitor"]), {
    default: "enforce",
    unit: "",
    description:
      "enforce stops what must be stopped. monitor touches nothing, freezes nothing, and records what enforce would have done.",
    example: "monitor",
    since: "0.1.0",
    read: true,
    // A kill cannot be undone: who mistyped "monitor" gets monitor, every other mistake gets the default.
    rescue: (value) => (typeof value === "string" && /^\s*m/i.test(value) ? "monitor" : undefined),
  }),
  SCANNERS: key(z.strictObject({ processes: z.boolean().default(true), network: z.boolean().default(true) }), {
    default: { processes: true, network: true },
    unit: "",
    description:
      "Which scanners run. Remote shells and miners are recognised from processes and connections together: without one of the two they are not seen.",
    example: { processes: true, network: true },
    since: "0.1.0",
    read: true,
    advise: adviseScanners,
  }),
  SCAN_INTERVALS: key(z.strictObject({ processes: seconds.default(5), network: seconds.default(5) }), {
    default: { processes: 5, network: 5 },
    unit: "seconds",
    description: "How often each scanner looks. An attack is stopped within two scans, so longer means later.",
    example: { processes: 5, network: 5 },
    since: "0.1.0",
    read: true,
  }),
  RULES: key(z.record(ruleName, z.enum(RESPONSES)), {
    default: {},
    unit: "",
    description:
      "Moves one rule, by name or id, to another response: off (not evaluated), monitor (recorded, what it would do is rehearsed), alert (told, nothing touched), disconnect (its connection destroyed), kill.",
    example: { reverse_shell: "alert" },
    since: "0.1.0",
    read: true,
    advise: adviseRules,
  }),
  EXCEPTIONS: key(list(exceptionSchema, EXCEPTIONS_MAX), {
    default: [],
    unit: "",
    description:
      "What a rule shall leave alone. All fields an entry gives must hold; rule and reason are required, and at least one of exe, parent, user, args, peer. `algo-monitor trust ALERT` writes the narrowest entry for an alert.",
    example: [
      {
        rule: "reverse_shell",
        exe: "/opt/backup/agent",
        user: "backup",
        peer: "10.20.0.0/16",
        until: "2027-12-31",
        reason: "console of the backup appliance, ticket 4711",
        author: "ops",
      },
    ],
    since: "0.1.0",
    read: true,
    advise: adviseExceptions,
  }),
  NEVER_TOUCH: key(
    z.strictObject({
      executables: list(absolutePath).default([]).meta({ description: "Absolute paths of the file a process runs." }),
      units: list(unitName).default([]).meta({ description: "Full names of systemd units; all processes in them." }),
      users: list(userName).default([]).meta({ description: "User names or uids; all their processes." }),
    }),
    {
      default: { executables: [], units: [], users: [] },
      unit: "",
      description:
        "Processes that are never killed and whose connections are never destroyed, whatever a rule says; findings about them are still told. On this list without being named: pid 1, kernel threads, systemd's managers, journald, logind and udevd, dbus, the sshd listener, algo-monitor itself, and the session that talks to it until a minute after its last word.",
      example: {
        executables: ["/usr/sbin/haproxy"],
        units: ["postgresql@15-main.service"],
        users: ["backup"],
      },
      since: "0.1.0",
      read: true,
    },
  ),
  KILL_BUDGET: key(z.strictObject({ per_minute: z.number().int().min(1).max(1000).default(10) }), {
    default: { per_minute: 10 },
    unit: "incidents a minute",
    description:
      "Protects from our own mistakes: a rule that wants to kill the same executable in more unrelated incidents than this (units of root, or accounts, that talk to different networks) is lowered to monitor for that executable for five minutes, loudly. Other executables and rules are not concerned; neither is a shell whose own input and output are a connection that this host opened.",
    example: { per_minute: 10 },
    since: "0.1.0",
    read: true,
  }),
  TRUSTED_SYSTEM_PROCESSES: key(list(plainText), {
    default: TRUSTED_BY_DEFAULT,
    unit: "",
    description:
      "Programs that are known here. A name counts only when the process runs the root-owned file of that name in a system directory, and silences unknown-process, threshold, listener and pattern findings; it never silences a behaviour such as a shell wired to a connection. An absolute path also exempts that executable from those. A list given here replaces the default list.",
    example: ["sshd", "cron", "/opt/agent/bin/agentd"],
    since: "0.1.0",
    read: true,
    advise: adviseTrustedProcesses,
  }),
  MINING_POOLS: key(list(poolPeer), {
    default: [],
    unit: "",
    description:
      "Mining pools besides the built-in list: addresses, networks and host names, without port. A connection to one kills only together with sustained CPU or a RandomX trait.",
    example: ["203.0.113.7", "198.51.100.0/24", "pool.example.org"],
    since: "0.1.0",
    read: true,
  }),
  RETENTION: key(
    z.strictObject({
      days: z.number().int().min(1).max(3650).default(90).meta({ description: "Rows of the database, days." }),
      database_mb: z.number().int().min(16).max(102_400).default(512).meta({ description: "The database, megabytes." }),
      log_days: z.number().int().min(1).max(3650).default(30).meta({ description: "Rotated log files, days." }),
      log_mb: z
        .number()
        .int()
        .min(1)
        .max(1024)
        .default(10)
        .meta({ description: "Size at which a log file is rotated, megabytes." }),
    }),
    {
      default: { days: 90, database_mb: 512, log_days: 30, log_mb: 10 },
      unit: "days and megabytes, as the names say",
      description: "How long and how much is kept. The oldest goes first when either limit is reached.",
      example: { days: 90, database_mb: 512, log_days: 30, log_mb: 10 },
      since: "0.1.0",
      read: true,
    },
  ),
  LOG_LEVELS: key(list(z.enum(["ALERT", "WARNING", "INFO", "ERROR"])), {
    default: ["ALERT", "WARNING", "INFO", "ERROR"],
    unit: "",
    description:
      "What is written to the log files and to journald. The database records everything, and a kill is always logged.",
    example: ["ALERT", "WARNING", "ERROR"],
    since: "0.1.0",
    read: true,
    refill: true,
    advise: adviseLogLevels,
  }),
  TRUSTED_PORTS: key(
    z.record(
      z.string().regex(/^([1-9]\d{0,3}|[1-5]\d{4}|6[0-4]\d{3}|65[0-4]\d\d|655[0-2]\d|6553[0-5])$/, PORT_COMPLAINT),
      z.string(),
    ),
    old({}, "Local listeners and remote ports that are normal here: port to name.", { "22": "SSH", "443": "HTTPS" }),
  ),
  TRUSTED_SYSTEM_PATTERNS: key(list(plainText), old([], "Name prefixes of kernel threads.", ["kworker/"])),
  TRUSTED_USERS_PATTERNS: key(
    list(plainText),
    old([], "Prefixes of process names that are no unknown process here.", ["panel-"]),
  ),
  TRUSTED_DIRECTORIES: key(
    list(directoryGlob),
    old([], "Directories below which unusual file modes are normal.", ["/var/lib/snapd/"]),
  ),
  PROTECTED_DIRECTORIES: key(
    list(directoryGlob),
    old([], "Directories whose files are watched for changes; globs are expanded.", ["/etc/", "/home/*/.ssh/"]),
  ),
  PROCESS_THRESHOLDS: key(
    z.strictObject({
      cpu_percent: z.number().min(0).max(1_000_000).default(95).meta({ description: "CPU, percent; 100 is one core." }),
      memory_percent: z.number().min(0).max(100).default(85).meta({ description: "Resident memory, percent." }),
      children: count.default(50).meta({ description: "Direct children." }),
      connections: count.default(100).meta({ description: "Open connections." }),
      file_handles: count.default(2000).meta({ description: "Open file handles." }),
      threads: count.default(1000).meta({ description: "Threads." }),
    }),
    {
      ...old(
        { cpu_percent: 95, memory_percent: 85, children: 50, connections: 100, file_handles: 2000, threads: 1000 },
        "What a process may use before it is told.",
        { cpu_percent: 95, memory_percent: 85 },
      ),
      unit: "percent and counts, as the names say",
    },
  ),
  DISTRO_SPECIFIC_ALLOWANCES: key(
    z.record(plainText, list(plainText)),
    old({}, "Trusted names added where os-release names the distribution.", { debian: ["apt-config"] }),
  ),
  SUSPICIOUS_PATTERNS: key(
    list(pattern, PATTERNS_MAX),
    old([], "Patterns of suspicious process names.", ["meterpreter"]),
  ),
  SUSPICIOUS_NETWORK_PATTERNS: key(
    list(pattern, PATTERNS_MAX),
    old([], "Patterns of suspicious remote ends.", [":31337$"]),
  ),
  REVERSE_SHELL_INDICATORS: key(
    list(plainText),
    old([], "Texts in command lines that hint at a remote shell.", ["nc -e /bin/sh"]),
  ),
} as const;

/** A row for a key of the replaced service which this version accepts but does not use yet. */
function old<T>(value: T, description: string, example: z.core.util.JSONType): KeyFacts<T> {
  return { default: value, unit: "", description, example, since: "0.1.0", read: false };
}

export const configSchema = z.strictObject(SHAPE);

type ReadonlyDeep<T> = T extends readonly (infer Element)[]
  ? readonly ReadonlyDeep<Element>[]
  : T extends object
    ? { readonly [Key in keyof T]: ReadonlyDeep<T[Key]> }
    : T;

/** The whole configuration with every default filled in; frozen. */
export type Config = ReadonlyDeep<z.output<typeof configSchema>>;
export type Exception = Config["EXCEPTIONS"][number];

export const KEY_NAMES: readonly string[] = Object.keys(SHAPE);

/** The facts of one key; undefined for a name that is none. */
export function keyFacts(name: string): KeyFacts<unknown> | undefined {
  return Object.hasOwn(configSchema.shape, name) ? FACTS.get(keySchema(name)) : undefined;
}

/** The schema of one key. */
export function keySchema(name: string): z.ZodType {
  const row = Object.entries<z.ZodType>(SHAPE).find(([known]) => known === name);
  if (row === undefined) throw new Error(`no config key is called ${name}`);
  return row[1];
}
