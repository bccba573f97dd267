// What is fed: each Sigma logsource that our sources and detectors produce, with the fields its events carry.
// A rule that names a field its logsource does not carry could never match and is refused.
import { FIELDS } from "../core/fields.ts";

/** A rule's `logsource`; an absent key means any. */
export interface RuleLogSource {
  readonly category?: string;
  readonly product?: string;
  readonly service?: string;
}

export interface FedLogSource {
  readonly category: string;
  readonly product: "linux";
  readonly service?: string;
  /** The files of sources/ and detection/detectors/ that make these events. */
  readonly feeders: readonly string[];
  /** ECS names, sorted. */
  readonly fields: readonly string[];
}

/** Fields of processes that only some detectors know. */
const NOT_COMMON = new Set([
  "process.name_claimed",
  "process.executable_expected",
  "process.executable_replaced_by_package",
  "process.has_network",
  "process.hash.sha256",
  "process.package.name",
  "process.package.state",
  "process.unit_program",
  "process.foreign_libraries",
]);
const PROCESS = FIELDS.map((field) => field.name).filter(
  (name) => (name.startsWith("process.") && !NOT_COMMON.has(name)) || name.startsWith("user."),
);
const CONNECTION = [
  "destination.ip",
  "destination.port",
  "destination.domain",
  "network.transport",
  "network.direction",
  "network.initiated",
  "source.ip",
  "source.port",
  "peer.ip",
  "peer.port",
];
const KERNEL = FIELDS.map((field) => field.name).filter((name) => name.startsWith("kernel."));
const CHANGE = FIELDS.map((field) => field.name).filter((name) => name.startsWith("change."));
const ACCESS = FIELDS.map((field) => field.name).filter((name) => name.startsWith("access."));
const SHELL = FIELDS.map((field) => field.name).filter((name) => name.startsWith("shell."));
const CLIENT = FIELDS.map((field) => field.name).filter((name) => name.startsWith("client."));

/** Who did it stands in the event where somebody saw it; a scan cannot say. */
const FILE = [
  ...FIELDS.map((field) => field.name).filter((name) => name.startsWith("file.")),
  ...["process.pid", "process.executable", "process.command_line", "process.parent.executable", "user.id", "user.name"],
];
const SESSION = FIELDS.map((field) => field.name).filter((name) => name.startsWith("session."));
const HOST = FIELDS.map((field) => field.name).filter((name) => name.startsWith("host."));
const LISTENER = FIELDS.map((field) => field.name).filter((name) => name.startsWith("listener."));
const PATTERN = FIELDS.map((field) => field.name).filter((name) => name.startsWith("pattern."));
const IDENTITY = ["process.hash.sha256", "process.package.name", "process.package.state"];
const PEER = [...CONNECTION, "peer.scope"];

const OWN_SERVICE = "algo-monitor";

export const FED: readonly FedLogSource[] = [
  fed(
    "process_creation",
    undefined,
    ["sources/processes", "sources/kernel_events"],
    [...PROCESS, "process.foreign_libraries"],
  ),
  fed("network_connection", undefined, ["sources/network", "sources/kernel_events"], [...PROCESS, ...CONNECTION]),
  fed("dns_query", undefined, ["sources/kernel_events"], [...PROCESS, "dns.question.name", "dns.question.type"]),
  fed("port_probe", OWN_SERVICE, ["sources/kernel_events"], ["peer.ip", "scan.kind", "scan.ports"]),
  fed("guard_signal", OWN_SERVICE, ["sources/kernel_events"], [...PROCESS, "signal.number", "signal.target_pid"]),
  fed("sensitive_access", OWN_SERVICE, ["sources/kernel_events"], [...PROCESS, "file.path", ...ACCESS]),
  fed("kernel_module", OWN_SERVICE, ["sources/kernel_events"], [...PROCESS, "module.name"]),
  fed("io_uring", OWN_SERVICE, ["sources/kernel_events"], PROCESS),
  fed(
    "process_trace",
    OWN_SERVICE,
    ["detection/detectors/traced"],
    [...PROCESS, ...FIELDS.map((field) => field.name).filter((name) => name.startsWith("trace."))],
  ),
  fed(
    "packet_socket",
    OWN_SERVICE,
    ["detection/detectors/packet_socket"],
    [...PROCESS, ...FIELDS.map((field) => field.name).filter((name) => name.startsWith("packet."))],
  ),
  fed("credential_change", OWN_SERVICE, ["sources/kernel_events"], [...PROCESS, ...CHANGE]),
  fed(
    "blind_window",
    OWN_SERVICE,
    ["sources/kernel_reconcile"],
    ["blind.from", "blind.to", "blind.lost", "blind.reconciled"],
  ),
  fed("hidden_process", OWN_SERVICE, ["sources/kernel_reconcile"], ["process.pid"]),
  fed(
    "wired_shell",
    OWN_SERVICE,
    ["detection/detectors/wired_shell", "sources/kernel_verdicts"],
    [...PROCESS, ...CONNECTION, ...SHELL, ...KERNEL],
  ),
  fed(
    "inline_client",
    OWN_SERVICE,
    ["detection/detectors/inline_client"],
    [...PROCESS, ...CONNECTION, ...CLIENT, "shell.holder.kind"],
  ),
  fed(
    "miner",
    OWN_SERVICE,
    ["detection/detectors/miner", "sources/kernel_verdicts"],
    [...PROCESS, ...CONNECTION, ...KERNEL, "miner.pool", "miner.traits", "miner.confirmed"],
  ),
  fed(
    "program_place",
    OWN_SERVICE,
    ["detection/detectors/program_place"],
    [...PROCESS, "process.has_network", "process.executable_replaced_by_package"],
  ),
  fed(
    "service_child",
    OWN_SERVICE,
    ["detection/detectors/service_child"],
    [...PROCESS, "process.has_network", "service.kind", "service.outside_job"],
  ),
  fed(
    "masquerade",
    OWN_SERVICE,
    ["detection/detectors/program_place"],
    [...PROCESS, "process.has_network", "process.name_claimed", "process.executable_expected"],
  ),
  fed("file_event", undefined, ["sources/filesystem"], FILE),
  fed("file_change", undefined, ["sources/filesystem"], FILE),
  fed("file_delete", undefined, ["sources/filesystem"], FILE),
  fed("session", OWN_SERVICE, ["sources/sessions"], [...SESSION, "user.name", "user.id", "source.ip", "process.pid"]),
  fed("unit", OWN_SERVICE, ["sources/journal"], ["unit.name", "unit.result", "unit.state"]),
  fed("host", OWN_SERVICE, ["sources/host"], HOST),
  fed(
    "unknown_process",
    OWN_SERVICE,
    ["detection/detectors/unknown_process"],
    [...PROCESS, ...IDENTITY, "unknown.origin", "unknown.fold"],
  ),
  fed("blocked_connection", OWN_SERVICE, ["sources/kernel_verdicts"], [...PROCESS, ...CONNECTION, ...KERNEL]),
  fed("name_pattern", OWN_SERVICE, ["detection/detectors/site_patterns"], [...PROCESS, ...PATTERN]),
  fed("shell_indicator", OWN_SERVICE, ["detection/detectors/site_patterns"], [...PROCESS, ...PATTERN]),
  fed(
    "threshold",
    OWN_SERVICE,
    ["detection/detectors/thresholds"],
    [...PROCESS, "threshold.name", "threshold.value", "threshold.limit"],
  ),
  fed(
    "service_account",
    OWN_SERVICE,
    ["detection/detectors/service_account"],
    [...PROCESS, "account.service", "account.own_login"],
  ),
  fed("network_pattern", OWN_SERVICE, ["detection/detectors/site_network"], [...PROCESS, ...PEER, ...PATTERN]),
  fed("remote_port", OWN_SERVICE, ["detection/detectors/site_network"], [...PROCESS, ...PEER, "process.unit_program"]),
  fed(
    "listener",
    OWN_SERVICE,
    ["detection/detectors/listeners"],
    [...PROCESS, ...LISTENER, "network.transport", "source.ip", "source.port"],
  ),
  fed("tor", OWN_SERVICE, ["detection/detectors/tor"], [...PROCESS, ...PEER, "tor.kind"]),
  fed(
    "indicator",
    OWN_SERVICE,
    ["detection/detectors/indicators"],
    [
      ...PROCESS,
      ...PEER,
      ...IDENTITY,
      "indicator.type",
      "indicator.value",
      "indicator.list",
      "indicator.line",
      "file.path",
      "file.hash.sha256",
      "dns.question.name",
      "dns.question.type",
    ],
  ),
  fed(
    "port_scan",
    OWN_SERVICE,
    ["detection/detectors/port_scan"],
    ["peer.ip", "peer.scope", "scan.kind", "scan.ports"],
  ),
];

function fed(
  category: string,
  service: string | undefined,
  feeders: readonly string[],
  fields: readonly string[],
): FedLogSource {
  const sorted = [...new Set(fields)].sort();
  const common = { category, product: "linux", feeders, fields: sorted } as const;
  return service === undefined ? common : { ...common, service };
}

/** The fed logsources whose events a rule with this logsource sees. */
export function fedBy(rule: RuleLogSource): FedLogSource[] {
  return FED.filter((source) => sees(rule, source));
}

/** Each key of the rule's logsource equals the event's or is absent. */
export function sees(
  rule: RuleLogSource,
  event: { readonly category: string; readonly product: string; readonly service?: string },
): boolean {
  return (
    (rule.category === undefined || rule.category === event.category) &&
    (rule.product === undefined || rule.product === event.product) &&
    (rule.service === undefined || rule.service === event.service)
  );
}

const NAMES = new Set(FIELDS.map((field) => field.name));
const ALIASES = new Map(
  FIELDS.flatMap((field) => (field.sigma ?? []).map((alias): [string, string] => [alias, field.name])),
);

/** The ECS name that a rule's field name means, itself or by Sigma's taxonomy. */
export function ecsNameOf(name: string): string | undefined {
  return NAMES.has(name) ? name : ALIASES.get(name);
}

/** Every name by which a rule may call these fields. */
export function namesFor(fields: ReadonlySet<string>): string[] {
  const aliases = [...ALIASES].filter(([, name]) => fields.has(name)).map(([alias]) => alias);
  return [...fields, ...aliases];
}
