/**
 * Every key of config.json, one row each: what it is, what is accepted, default, unit, example.
 * Load, JSON Schema, docs/config.md, config.example.json, `config explain` and the new-keys list of an upgrade all
 * read this table, so a new key is one new row.
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
  fileGlob,
  list,
  narrowingPattern,
  pattern,
  plainText,
  poolPeer,
  unitName,
  untilDate,
  userName,
  webhookUrl,
} from "./values.ts";

export interface KeyFacts<T> {
  readonly default: T;
  /** What its numbers are counted in; empty where it holds none. */
  readonly unit: string;
  readonly description: string;
  readonly example: z.core.util.JSONType;
  /** The first version of algo-monitor that knows it. */
  readonly since: string;
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
const DECOYS_MAX = 256;
const seconds = z.number().min(1).max(300);
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
    file: fileGlob
      .exactOptional()
      .meta({ description: "The file an alert is about; * stands for part of a name, /** at the end for all below." }),
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
const NARROWING_FIELDS = ["exe", "parent", "user", "args", "peer", "file"] as const;

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

/** Programs, the system's own settings, and the keys that open it. Small enough to be looked at each minute. */
const PROTECTED_BY_DEFAULT = (
  "/etc/ /boot/ /usr/bin/ /usr/sbin/ /bin/ /sbin/ /usr/local/bin/ /usr/local/sbin/ /usr/lib/systemd/ /lib/systemd/ " +
  "/usr/lib/security/ /lib/*/security/ /usr/libexec/ /root/.ssh/ /home/*/.ssh/ /var/spool/cron/ /var/spool/at/"
).split(" ");

const limit = z.number().int().min(0).max(10_000_000);
const THRESHOLDS = z.strictObject({
  cpu_percent: z.number().min(0).max(1_000_000).default(95).meta({ description: "CPU, percent; 100 is one core." }),
  memory_percent: z.number().min(0).max(100).default(85).meta({ description: "Resident memory, percent." }),
  children: limit.default(50).meta({ description: "Direct children." }),
  connections: limit.default(100).meta({ description: "Open connections." }),
  file_handles: limit.default(2000).meta({ description: "Open file handles." }),
  threads: limit.default(1000).meta({ description: "Threads." }),
});
const THRESHOLD_OVERRIDES = z.strictObject({
  cpu_percent: z.number().min(0).max(1_000_000).exactOptional(),
  memory_percent: z.number().min(0).max(100).exactOptional(),
  children: limit.exactOptional(),
  connections: limit.exactOptional(),
  file_handles: limit.exactOptional(),
  threads: limit.exactOptional(),
});

const NOTICE_LEVEL = z.enum(["ALERT", "WARNING", "INFO"]);

const SHAPE = {
  MODE: key(z.enum(["enforce", "monitor"]), {
    default: "enforce",
    unit: "",
    description:
      "enforce stops what must be stopped. monitor touches nothing, freezes nothing, and records what enforce would have done.",
    example: "monitor",
    since: "0.1.0",
    // A kill cannot be undone: who mistyped "monitor" gets monitor, every other mistake gets the default.
    rescue: (value) => (typeof value === "string" && /^\s*m/i.test(value) ? "monitor" : undefined),
  }),
  SENSOR: key(
    z.strictObject({
      enabled: z
        .boolean()
        .default(true)
        .meta({ description: "Without it the scans see an attacker after up to five seconds." }),
      hold: z.boolean().default(true).meta({
        description: "Bytes of a connection of suspicious make wait until it was looked at, half a second at most.",
      }),
    }),
    {
      default: { enabled: true, hold: true },
      unit: "",
      description:
        "The kernel sensor: sees programs start and connections open as it happens, and stops what is certain before its first instruction. Needs Linux 5.8 with BTF; elsewhere the scans guard alone.",
      example: { enabled: true, hold: true },
      since: "0.3.0",
    },
  ),
  GUARD_ON: key(z.boolean(), {
    default: false,
    unit: "",
    description:
      "The sensor's programs stay in the kernel and go on stopping what is certain while the daemon restarts, is stopped or was killed; a bpffs at /run/algo-monitor/bpf holds them. `uninstall` removes them.",
    example: true,
    since: "0.3.0",
  }),
  DEEP_SYSCALLS: key(z.boolean(), {
    default: false,
    unit: "",
    description:
      "The sensor also looks at every system call, for what nothing else tells: ptrace and process_vm_writev into another process, written memory that becomes code, setns, unshare, mount. It costs every program some 0.1 us for each system call. Without it the scan sees who traces whom while it lasts, and changed namespaces are seen at the next start of a program.",
    example: true,
    since: "0.3.0",
  }),
  SCANNERS: key(
    z.strictObject({
      processes: z.boolean().default(true),
      network: z.boolean().default(true),
      filesystem: z.boolean().default(true).meta({ description: "Files of PROTECTED_DIRECTORIES." }),
      sessions: z.boolean().default(true).meta({ description: "Logins and logouts." }),
      host: z.boolean().default(true).meta({ description: "CPU, memory, disk and network of the host." }),
    }),
    {
      default: { processes: true, network: true, filesystem: true, sessions: true, host: true },
      unit: "",
      description:
        "Which scanners run. Remote shells and miners are recognised from processes and connections together: without one of the two they are not seen.",
      example: { processes: true, network: true, filesystem: true, sessions: true, host: true },
      since: "0.1.0",
      advise: adviseScanners,
    },
  ),
  SCAN_INTERVALS: key(
    z.strictObject({
      processes: seconds.default(5),
      network: seconds.default(5),
      filesystem: z.number().min(5).max(86_400).default(60),
      sessions: seconds.default(5),
      host: seconds.default(5),
    }),
    {
      default: { processes: 5, network: 5, filesystem: 60, sessions: 5, host: 5 },
      unit: "seconds",
      description: "How often each scanner looks. An attack is stopped within two scans, so longer means later.",
      example: { processes: 5, network: 5, filesystem: 60, sessions: 5, host: 5 },
      since: "0.1.0",
    },
  ),
  RULES: key(z.record(ruleName, z.enum(RESPONSES)), {
    default: {},
    unit: "",
    description:
      "Moves one rule, by name or id, to another response: off (not evaluated), monitor (recorded, what it would do is rehearsed), alert (told, nothing touched), disconnect (its connection destroyed), kill.",
    example: { reverse_shell: "alert" },
    since: "0.1.0",
    advise: adviseRules,
  }),
  EXCEPTIONS: key(list(exceptionSchema, EXCEPTIONS_MAX), {
    default: [],
    unit: "",
    description:
      "What a rule shall leave alone. All fields an entry gives must hold; rule and reason are required, and at least one of exe, parent, user, args, peer, file. `algo-monitor trust ALERT` writes the narrowest entry for an alert.",
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
    },
  ),
  KILL_BUDGET: key(z.strictObject({ per_minute: z.number().int().min(1).max(1000).default(10) }), {
    default: { per_minute: 10 },
    unit: "incidents a minute",
    description:
      "Protects from our own mistakes: a rule that wants to kill the same executable in more unrelated incidents than this (units of root, or accounts, that talk to different networks) is lowered to monitor for that executable for five minutes, loudly. Other executables and rules are not concerned; neither is a shell whose own input and output are a connection that this host opened.",
    example: { per_minute: 10 },
    since: "0.1.0",
  }),
  TRUSTED_SYSTEM_PROCESSES: key(list(plainText), {
    default: TRUSTED_BY_DEFAULT,
    unit: "",
    description:
      "Programs that are known here. A name counts only when the process runs the root-owned file of that name in a system directory, and silences unknown-process, threshold, listener and pattern findings; it never silences a behaviour such as a shell wired to a connection. An absolute path also exempts that executable from those. A list given here replaces the default list.",
    example: ["sshd", "cron", "/opt/agent/bin/agentd"],
    since: "0.1.0",
    advise: adviseTrustedProcesses,
  }),
  MINING_POOLS: key(list(poolPeer), {
    default: [],
    unit: "",
    description:
      "Mining pools besides the built-in list: addresses, networks and host names, without port. A connection to one kills only together with sustained CPU or a RandomX trait.",
    example: ["203.0.113.7", "198.51.100.0/24", "pool.example.org"],
    since: "0.1.0",
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
    },
  ),
  LOG_LEVELS: key(list(z.enum(["ALERT", "WARNING", "INFO", "ERROR"])), {
    default: ["ALERT", "WARNING", "INFO", "ERROR"],
    unit: "",
    description:
      "What is written to the log files and to journald, and shown on desktops. The database records everything, webhook and command have levels of their own, and a kill is always told.",
    example: ["ALERT", "WARNING", "ERROR"],
    since: "0.1.0",
    refill: true,
    advise: adviseLogLevels,
  }),
  TRUSTED_PORTS: key(
    z.record(
      z.string().regex(/^([1-9]\d{0,3}|[1-5]\d{4}|6[0-4]\d{3}|65[0-4]\d\d|655[0-2]\d|6553[0-5])$/, PORT_COMPLAINT),
      z.string(),
    ),
    site(
      {},
      "Ports that are normal here: port to name. A listener on one is known when a verified program of the system owns it. Once the list names any port, a connection to an unlisted port of a public address is a WARNING, one for each executable; an empty list says nothing about remote ports.",
      { "22": "SSH", "443": "HTTPS" },
    ),
  ),
  TRUSTED_SYSTEM_PATTERNS: key(
    list(plainText),
    site(
      [],
      "Name prefixes of kernel threads. Who is a kernel thread is the kernel's word alone; a program in user land whose name begins with one of these is told as masquerading.",
      ["kworker/"],
    ),
  ),
  TRUSTED_USERS_PATTERNS: key(
    list(plainText),
    site([], "Prefixes of process names that are no unknown process here. They silence nothing else.", ["panel-"]),
  ),
  TRUSTED_DIRECTORIES: key(
    list(directoryGlob),
    site(
      [],
      "Directories below which unusual file modes (setuid, writable by everybody) are normal. Changes of content or owner are told all the same, and nothing below becomes trusted.",
      ["/var/lib/snapd/"],
    ),
  ),
  PROTECTED_DIRECTORIES: key(
    list(directoryGlob),
    site(
      PROTECTED_BY_DEFAULT,
      "Directories whose files are watched for changes; globs are expanded, each directory is watched once however many names it has. A list given here replaces the default list. It trusts nothing: a program below is known only if it is root's and nobody else can write it.",
      ["/etc/", "/home/*/.ssh/"],
    ),
  ),
  DECOYS: key(list(absolutePath, DECOYS_MAX), {
    default: [],
    unit: "",
    description:
      "Files that exist only to be found: the kernel sensor tells who opens one, as an ALERT. Make them yourself, where somebody who searches would look; password hashes, private keys and sudoers are watched without being named.",
    example: ["/root/passwords.txt", "/srv/backup/credentials.csv"],
    since: "0.3.0",
  }),
  FILES: key(
    z.strictObject({
      hash_mb_max: z
        .number()
        .int()
        .min(1)
        .max(1_048_576)
        .default(256)
        .meta({ description: "Larger files are watched by size, times, owner and mode only, megabytes." }),
      hash_mb_per_second: z
        .number()
        .int()
        .min(0)
        .max(100_000)
        .default(100)
        .meta({ description: "How fast files are read, megabytes a second; 0 is as fast as the disk." }),
      verify_hours: z
        .number()
        .min(1)
        .max(8760)
        .default(24)
        .meta({ description: "Every file is read again, whatever its times say, at least this often, hours." }),
      other_filesystems: z
        .boolean()
        .default(false)
        .meta({ description: "Also directories on network and overlay filesystems." }),
      files_max: z
        .number()
        .int()
        .min(1000)
        .max(10_000_000)
        .default(1_000_000)
        .meta({ description: "Files watched at most; those over it are counted and told." }),
    }),
    {
      default: {
        hash_mb_max: 256,
        hash_mb_per_second: 100,
        verify_hours: 24,
        other_filesystems: false,
        files_max: 1_000_000,
      },
      unit: "megabytes, megabytes a second, hours and files, as the names say",
      description: "How the files of PROTECTED_DIRECTORIES are read.",
      example: { hash_mb_per_second: 50, verify_hours: 168 },
      since: "0.2.0",
    },
  ),
  PROCESS_THRESHOLDS: key(
    z.strictObject({
      ...THRESHOLDS.shape,
      executables: z
        .record(absolutePath, THRESHOLD_OVERRIDES)
        .default({})
        .meta({ description: "Other limits for one executable, by its absolute path." }),
    }),
    {
      ...site(
        {
          cpu_percent: 95,
          memory_percent: 85,
          children: 50,
          connections: 100,
          file_handles: 2000,
          threads: 1000,
          executables: {},
        },
        "What a process may use before it is told, as one WARNING for each process: over the limit in three scans in a row. 0 switches a limit off.",
        { cpu_percent: 95, memory_percent: 85, executables: { "/usr/bin/ffmpeg": { cpu_percent: 800 } } },
      ),
      unit: "percent (of CPU: 100 is one core) and counts, as the names say",
    },
  ),
  HOST_THRESHOLDS: key(
    z.strictObject({
      cpu_percent: z.number().min(0).max(100).default(80).meta({ description: "All cores together, percent." }),
      memory_percent: z.number().min(0).max(100).default(80).meta({ description: "Memory in use, percent." }),
      disk_percent: z.number().min(0).max(100).default(90).meta({ description: "Any local filesystem, percent." }),
      network_mbit: z
        .number()
        .min(0)
        .max(1_000_000)
        .default(0)
        .meta({ description: "Any interface in either direction, megabits a second." }),
      sustained_seconds: z
        .number()
        .int()
        .min(10)
        .max(86_400)
        .default(300)
        .meta({ description: "How long CPU, memory or network must stay above." }),
    }),
    {
      default: { cpu_percent: 80, memory_percent: 80, disk_percent: 90, network_mbit: 0, sustained_seconds: 300 },
      unit: "percent, megabits a second and seconds, as the names say",
      description: "What the whole host may use before it is told. 0 switches a limit off.",
      example: { cpu_percent: 90, disk_percent: 95 },
      since: "0.2.0",
    },
  ),
  DISTRO_SPECIFIC_ALLOWANCES: key(
    z.record(plainText, list(plainText)),
    site(
      {},
      "Names added to TRUSTED_SYSTEM_PROCESSES where ID or ID_LIKE of os-release names the distribution; they count on the same conditions.",
      { debian: ["apt-config"] },
    ),
  ),
  SUSPICIOUS_PATTERNS: key(
    list(pattern, PATTERNS_MAX),
    site(
      [],
      "RE2 patterns, looked for once in the name, executable, script and command line of each new process: a WARNING, one for each executable. A match does not begin in the middle of a word (`mine` is not found in `determine`; `.*mine` is). On verified programs of the system they only raise the score of other findings.",
      ["meterpreter"],
    ),
  ),
  SUSPICIOUS_NETWORK_PATTERNS: key(
    list(pattern, PATTERNS_MAX),
    site(
      [],
      "RE2 patterns, looked for in address, address:port and known domain of connections that this host opened: a WARNING; an INFO where the other side is private, loopback or link-local.",
      [":31337$"],
    ),
  ),
  REVERSE_SHELL_INDICATORS: key(
    list(plainText),
    site(
      [],
      "Texts looked for in the command line of each new process, as they stand but for upper and lower case, from the border of one word to that of another; <URL>, <IP> and <PORT> stand for one word. A WARNING that also raises the score of other findings.",
      ["nc -e /bin/sh", "curl <URL> | sh"],
    ),
  ),
  INDICATORS: key(
    z.strictObject({
      files: list(absolutePath, 100).default([]).meta({ description: "Lists of indicators, absolute paths." }),
    }),
    {
      default: { files: [] },
      unit: "",
      description:
        "Lists of known bad addresses, networks, domains and SHA-256 digests: one to a line, # begins a remark. Read again when a file changes; a hit names list and line.",
      example: { files: ["/opt/.monitor/lists/feodo.txt"] },
      since: "0.2.0",
    },
  ),
  NOTIFICATIONS: key(
    z.strictObject({
      desktop: z
        .strictObject({ enabled: z.boolean().default(true), min_level: NOTICE_LEVEL.default("ALERT") })
        .default({ enabled: true, min_level: "ALERT" })
        .meta({ description: "A note on the desktop of each user who is logged in to one." }),
      webhook: z
        .strictObject({
          url: webhookUrl,
          secret: plainText
            .exactOptional()
            .meta({ description: "Signs the body: X-Algo-Monitor-Signature: sha256=HMAC." }),
          min_level: NOTICE_LEVEL.default("WARNING"),
        })
        .exactOptional()
        .meta({ description: "POST of JSON to an https address." }),
      command: z
        .strictObject({
          argv: z.array(plainText).min(1).max(64).meta({ description: "Program (absolute path) and its arguments." }),
          min_level: NOTICE_LEVEL.default("WARNING"),
          timeout_seconds: z.number().int().min(1).max(300).default(10),
        })
        .exactOptional()
        .meta({ description: "Started with the notice as JSON on its standard input." }),
      cooldown_seconds: z
        .number()
        .int()
        .min(0)
        .max(86_400)
        .default(300)
        .meta({ description: "One alert group is sent again at the earliest after this, seconds." }),
      per_hour: z
        .number()
        .int()
        .min(1)
        .max(10_000)
        .default(100)
        .meta({ description: "Notices sent to one place in an hour; the rest are summed up." }),
    }),
    {
      default: { desktop: { enabled: true, min_level: "ALERT" }, cooldown_seconds: 300, per_hour: 100 },
      unit: "seconds and notices, as the names say",
      description: "Who is told besides journal and log files, from which level on.",
      example: {
        webhook: { url: "https://alerts.example.org/hook", secret: "change me", min_level: "ALERT" },
        command: { argv: ["/usr/local/bin/page-me", "--stdin"], min_level: "ALERT", timeout_seconds: 10 },
      },
      since: "0.2.0",
    },
  ),
} as const;

/** A row for a list of the replaced service's config: what is known, wanted or unwanted at this site. */
function site<T>(value: T, description: string, example: z.core.util.JSONType): KeyFacts<T> {
  return { default: value, unit: "", description, example, since: "0.1.0" };
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
