/**
 * What each field of fields.ts means in words, so that the reasons of an alert read as sentences. Only for people:
 * `--json`, the store and the log of documents keep the field names that rules use.
 */

/** A name for what is compared; `yes` and `no` where it is a fact or not; `values` where its values are our own words. */
type Words =
  | string
  | { readonly yes: string; readonly no: string }
  | { readonly name: string; readonly values: Readonly<Record<string, string>> };

const HOLDERS: Readonly<Record<string, string>> = {
  inline: "code given on the command line holds the connection",
  "relay-tool": "a tool made to carry bytes (netcat, socat, ...) holds the connection",
  memfd: "a program that exists in memory only holds the connection",
  deleted: "a program whose file was deleted holds the connection",
  "temporary-file": "a program in a temporary directory holds the connection",
  "socket-on-stdio": "whoever holds the connection has it as its own input or output",
  "unknown-listener": "nobody knows who listened for the connection",
  "unverified-file": "a program that is not root's own in a system directory holds the connection",
  "verified-file": "a program of the system holds the connection",
  "unit-main": "the main process of a service holds the connection",
  pid1: "systemd itself holds the connection",
  "login-service": "a login service holds the connection",
};

const SCRIPTS: Readonly<Record<string, string>> = {
  none: "it runs no script",
  inline: "its code was given on the command line",
  stdin: "it reads its code from its standard input",
  file: "it runs a script file",
};

const OPENED_BY: Words = {
  name: "who opened the connection",
  values: { connected: "this host opened the connection", accepted: "the connection was accepted from outside" },
};

const PACKAGE_STATES: Readonly<Record<string, string>> = {
  matches: "the file is what the package database says",
  differs: "the file is not what the package database says",
  config: "the file is a configuration file of its package",
  none: "the file is in no package",
  unknown: "the package database cannot say what the file should be",
};

const PROCESS: Readonly<Record<string, Words>> = {
  "process.pid": "the process number",
  "process.name": "the name of the process",
  "process.executable": "the program's path",
  "process.command_line": "the command line",
  "process.args": "an argument",
  "process.working_directory": "the working directory",
  "process.env_vars": "a variable that loads code",
  "process.foreign_libraries": "a library loaded into it that is not root's own in a system directory",
  "process.start": "the start time",
  "process.user.id": "the user number",
  "process.real_user.id": "the real user number",
  "process.executable_deleted": { yes: "the file it runs was deleted", no: "the file it runs is still there" },
  "process.executable_memfd": { yes: "it runs from memory only, without a file", no: "it runs from a file" },
  "process.executable_verified": {
    yes: "the program is root's own, in a system directory",
    no: "the program is not root's own in a system directory",
  },
  "process.executable_writable_by_others": {
    yes: "anybody may change the program's file",
    no: "not everybody may change the program's file",
  },
  "process.executable_hidden": { yes: "the program lies at a hidden path", no: "the program's path is not hidden" },
  "process.kernel_thread": { yes: "it is a thread of the kernel", no: "it is no thread of the kernel" },
  "process.program": "the program, recognised by its file,",
  "process.program_is_copy": {
    yes: "the program is a copy of a known one outside its place",
    no: "the program is no copy of a known one",
  },
  "process.script.kind": { name: "the script", values: SCRIPTS },
  "process.cpu_percent": "its processor use in percent of a core",
  "process.memory_percent": "its share of the memory in percent",
  "process.huge_pages_bytes": "its huge pages in bytes",
  "process.trusted_name": { yes: "TRUSTED_SYSTEM_PROCESSES names it", no: "no TRUSTED_SYSTEM_PROCESSES names it" },
  "process.parent.pid": "the parent's process number",
  "process.parent.name": "the parent's name",
  "process.parent.executable": "the parent's path",
  "process.parent.command_line": "the parent's command line",
  "process.parent.program": "the parent's program",
  "process.parent.executable_verified": {
    yes: "the parent is a program of the system",
    no: "the parent is no program of the system",
  },
  "process.tty": { yes: "it has a terminal", no: "it has no terminal" },
  "process.unit": "its systemd unit",
  "process.unit_program": {
    yes: "it is the program that its service names",
    no: "it is not the program that its service names",
  },
  "process.has_network": { yes: "it has a connection to another host", no: "it has no connection to another host" },
  "process.executable_temporary": {
    yes: "the program lies where anybody may write",
    no: "the program does not lie where anybody may write",
  },
  "process.executable_replaced_by_package": {
    yes: "a package upgrade has replaced its file",
    no: "no package upgrade has replaced its file",
  },
  "process.name_claimed": "the name that it claims",
  "process.executable_expected": "where the real program of that name lies",
  "process.lineage": "the service or login that it belongs to",
  "process.hints": "what your lists say of it",
  "process.hash.sha256": "the SHA-256 of the program",
  "process.package.name": "the program's package",
  "process.package.state": { name: "the program's state in the package database", values: PACKAGE_STATES },
  "user.name": "the user",
  "user.id": "the user number",
  "service.kind": "the kind of service that started it",
  "service.outside_job": {
    yes: "it is none of the jobs that the schedule names",
    no: "it is a job that the schedule names",
  },
  "unknown.origin": {
    name: "where the unknown program comes from",
    values: {
      "own-home": "it lies in the home directory of the person who runs it",
      container: "it belongs to a container",
      elsewhere: "nothing says where it comes from",
    },
  },
  "account.service": { yes: "the account belongs to a service", no: "the account belongs to a person" },
  "account.own_login": {
    yes: "the account itself logged in",
    no: "somebody who had logged in as another one became this account",
  },
};

const NETWORK: Readonly<Record<string, Words>> = {
  "network.transport": "the protocol",
  "network.direction": {
    name: "the direction",
    values: { egress: "this host opened the connection", ingress: "the other side opened the connection" },
  },
  "network.initiated": { yes: "this host opened the connection", no: "the other side opened the connection" },
  "source.ip": "the address that opened it",
  "source.port": "the port it was opened from",
  "destination.ip": "the address it leads to",
  "destination.port": "the port it leads to",
  "destination.domain": "the name it leads to",
  "peer.ip": "the other side's address",
  "peer.port": "the other side's port",
  "peer.scope": {
    name: "the kind of the other side's address",
    values: {
      public: "the other side has a public address",
      private: "the other side is in a private network",
      loopback: "the other side is this host itself",
      "link-local": "the other side is on the same wire",
    },
  },
  "listener.scope": {
    name: "who can reach it",
    values: {
      loopback: "only this host can reach it",
      private: "the private network can reach it",
      public: "it listens on a public address",
      any: "it listens on every address of this host",
    },
  },
  "listener.port_listed": { yes: "TRUSTED_PORTS names the port", no: "TRUSTED_PORTS does not name the port" },
  "listener.port_name": "the name of the port in TRUSTED_PORTS",
  "listener.owner_verified": {
    yes: "a program of the system listens",
    no: "what listens is no program of the system",
  },
  "listener.unit_main": {
    yes: "the main process of a service listens",
    no: "what listens is not the main process of a service",
  },
  "tor.kind": "the sign of Tor",
  "scan.kind": "the kind of scan",
  "scan.ports": "the number of ports tried",
};

const SHELLS: Readonly<Record<string, Words>> = {
  "shell.direction": OPENED_BY,
  "shell.wiring": {
    name: "the way from the connection to the shell",
    values: {
      direct: "its own input and output are the connection",
      relayed: "other programs carry bytes between the connection and it",
      reading: "its input is the connection, and it can answer on it",
    },
  },
  "shell.path": "the way the bytes go",
  "shell.holder.kind": { name: "whoever holds the connection", values: HOLDERS },
  "shell.holder.executable": "the program that holds the connection",
  "shell.holder.command_line": "the command line of whoever holds the connection",
  "shell.holder.pid": "the process number of whoever holds the connection",
  "shell.holder_waits": {
    name: "what the carrier of the bytes waits for",
    values: {
      both: "the carrier waits for the connection and for the shell",
      remote: "the carrier waits for the connection",
      elsewhere: "the carrier waits for something else",
      self: "nobody carries the bytes",
      loop: "the carrier runs an event loop",
      unknown: "what the carrier waits for cannot be seen",
    },
  },
  "shell.stdin_commands": { yes: "it takes commands from its input", no: "it takes no commands from its input" },
  "shell.is_shell": { yes: "it is a shell", no: "it is no shell" },
  "shell.interpreter": { yes: "it runs whatever code it is given", no: "it is no interpreter" },
  "shell.foreign_program": {
    yes: "the program did not come with the system",
    no: "the program came with the system",
  },
  "shell.runs_given_code": {
    yes: "it runs code that it was given, no script of its own",
    no: "it runs a script of its own",
  },
  "shell.same_connection": {
    yes: "input and output are one connection",
    no: "input and output are two connections",
  },
  "shell.starts_programs": { yes: "it has started programs", no: "it has started no program" },
  "shell.in_service": { yes: "it belongs to a service", no: "it belongs to no service" },
  "shell.peer_loopback": { yes: "the other side is this host itself", no: "the other side is another host" },
  "shell.on_terminal": { yes: "it has a terminal made for it", no: "it has no terminal made for it" },
  "shell.child_answers": {
    yes: "a program that it started writes to the connection",
    no: "no program that it started writes to the connection",
  },
  "shell.remote_spoke": { yes: "the other side has sent something", no: "the other side has sent nothing" },
  "shell.remote_spoke_first": { yes: "the other side spoke and we never did", no: "this side has spoken" },
  "shell.last_word_ours": { yes: "the last word was ours", no: "the last word was the other side's" },
  "shell.last_words_together": {
    yes: "question and answer came at the same moment",
    no: "question and answer came at different moments",
  },
  "shell.last_sent_ago_ms": "the milliseconds since this side last sent something",
  "shell.held": {
    yes: "its incoming bytes were withheld while it was looked at",
    no: "its incoming bytes were not withheld",
  },
  "shell.connection_age_ms": "the milliseconds since the connection was opened",
  "shell.younger_than_connection": {
    yes: "it was started after the connection was opened",
    no: "it is older than the connection",
  },
  "shell.sent_nothing": { yes: "this side has sent nothing", no: "this side has sent something" },
  "client.direction": OPENED_BY,
  "client.remote_spoke_first": { yes: "the other side spoke first", no: "this side has spoken" },
  "client.last_word_ours": { yes: "the last word was ours", no: "the last word was the other side's" },
  "client.waits_for_remote": { yes: "it waits for the other side", no: "it does not wait for the other side" },
  "client.child_running": { yes: "a program that it started is running", no: "it runs no program" },
  "client.child_answers": {
    yes: "it starts a program when the other side has spoken",
    no: "it starts no program for what the other side says",
  },
  "miner.pool": "the mining pool",
  "miner.traits": "a sign of mining",
  "miner.confirmed": { yes: "the other side is a mining pool", no: "the other side is not known as a mining pool" },
};

const KERNEL: Readonly<Record<string, Words>> = {
  "kernel.verdict": {
    name: "what the kernel stopped it as",
    values: {
      reverse_shell: "the kernel recognised a reverse shell as it came into being",
      bind_shell: "the kernel recognised a bind shell as it came into being",
      miner_confirmed: "the kernel recognised a miner",
      blocked: "the address is blocked",
    },
  },
  "kernel.shape": "how the kernel recognised it",
  "kernel.stage": "at which step the kernel saw it",
  "kernel.action": "what the kernel did",
  "kernel.generation": "the number of the policy in force",
  "kernel.times": "how often in one look",
  "trace.target.pid": "the process that it has under its control (ptrace)",
  "trace.target.executable": "the program that it has under its control (ptrace)",
  "trace.target.user": "whose process it has under its control (ptrace)",
  "trace.same_user": { yes: "the other process is of the same user", no: "the other process is of another user" },
  "trace.own_child": { yes: "it started the other process itself", no: "the other process was there before" },
  "packet.kind": "how its packet socket sees packets (raw: with the link's own header)",
  "packet.protocol": "the protocol that its packet socket hears",
  "packet.hears_all": {
    yes: "its packet socket hears everything that goes over an interface",
    no: "its packet socket hears one protocol only",
  },
  "dns.question.name": "the name that was asked for",
  "dns.question.type": "the type of the question",
  "signal.number": "the number of the signal",
  "signal.target_pid": "the process number of who was signalled",
  "access.kind": {
    name: "what was opened",
    values: {
      credentials: "a file with credentials was opened",
      decoy: "a decoy was opened, which nobody has a reason to",
      "process-memory": "the memory of another process was written",
    },
  },
  "access.vouched": {
    yes: "it was opened by root's own program or script in a system directory",
    no: "it was opened by a program or code that root does not vouch for",
  },
  "module.name": "the name of the module",
  "change.before_user_id": "the user number before",
  "change.user": { yes: "it acts as another user than before", no: "it acts as the same user as before" },
  "change.capabilities_gained": { yes: "it has capabilities that it did not have", no: "it gained no capabilities" },
  "change.namespaces": "a namespace that it left",
  "change.root_unexplained": {
    yes: "it became root and executed no setuid file",
    no: "how it came to its user is known",
  },
  "blind.from": "when the sensor began to miss something",
  "blind.to": "when the sensor saw everything again",
  "blind.lost": "the number of reports that are lost",
  "blind.reconciled": "when the whole host had been looked at again",
};

const FILES: Readonly<Record<string, Words>> = {
  "file.path": "the file's path",
  "file.directory": "the file's directory",
  "file.name": "the file's name",
  "file.extension": "the file's extension",
  "file.type": "the file's type",
  "file.size": "the file's size in bytes",
  "file.mode": "the file's mode",
  "file.uid": "the owner's number",
  "file.owner": "the file's owner",
  "file.gid": "the group's number",
  "file.inode": "the file's inode",
  "file.mtime": "when the content was changed",
  "file.ctime": "when the file was changed",
  "file.target_path": "where the link leads",
  "file.hash.sha256": "the file's SHA-256",
  "file.changes": {
    name: "what changed",
    values: {
      created: "the file is new",
      deleted: "the file was deleted",
      content: "its content changed",
      mode: "its mode changed",
      owner: "its owner changed",
      group: "its group changed",
      type: "it is another kind of file now",
      inode: "another file took its place",
      target: "the link leads elsewhere now",
      truncated: "it was cut short",
    },
  },
  "file.previous.hash.sha256": "the SHA-256 before",
  "file.previous.mode": "the mode before",
  "file.previous.owner": "the owner before",
  "file.previous.size": "the size before, in bytes,",
  "file.executable": { yes: "it can be executed", no: "it cannot be executed" },
  "file.setuid": { yes: "it runs with its owner's or group's rights", no: "it runs with the caller's rights" },
  "file.setuid_added": {
    yes: "it now runs with its owner's or group's rights",
    no: "it did not begin to run with its owner's rights",
  },
  "file.executable_added": { yes: "it became executable", no: "it did not become executable" },
  "file.writable_by_others": { yes: "anybody may change it", no: "not everybody may change it" },
  "file.system_directory": { yes: "it lies in a system directory", no: "it lies in no system directory" },
  "file.trusted_directory": {
    yes: "it lies below TRUSTED_DIRECTORIES",
    no: "it does not lie below TRUSTED_DIRECTORIES",
  },
  "file.log": { yes: "it is a log", no: "it is no log" },
  "file.package.name": "the file's package",
  "file.package.state": { name: "its state in the package database", values: PACKAGE_STATES },
  "file.changes_in_directory": "the changes in its directory",
};

const REST: Readonly<Record<string, Words>> = {
  "session.id": "the session",
  "session.terminal": "the terminal",
  "session.service": "the service that let the user in",
  "session.type": "the type of the session",
  "session.class": "the class of the session",
  "session.remote": { yes: "the login came from another host", no: "the login came from this host" },
  "session.start": "when it began",
  "session.end": "when it ended",
  "session.duration_seconds": "how long it lasted in seconds",
  "session.authentication": "how the user proved who it is",
  "session.network": "the network it came from",
  "session.new_network": {
    yes: "this user never came from that network before",
    no: "this user came from that network before",
  },
  "session.service_account": {
    yes: "the account belongs to a service, nobody should log in with it",
    no: "the account belongs to a person",
  },
  "session.state": { name: "what happened", values: { started: "a user logged in", ended: "a user logged out" } },
  "session.origin": "where the login came from",
  "session.access": "how the user got in",
  "session.lasted": "how long it lasted",
  "session.scope": "who can be at the address it came from",
  "session.first_remote": {
    yes: "the user was never seen to log in from another host before",
    no: "the user was seen to log in from another host before",
  },
  "session.shell_disabled": {
    yes: "the account's shell refuses everybody (nologin, false)",
    no: "the account has a shell",
  },
  "unit.name": "the unit",
  "unit.result": "the result",
  "unit.state": {
    name: "what became of the unit",
    values: { started: "the unit started", stopped: "the unit stopped", failed: "the unit failed" },
  },
  "host.resource": "the resource",
  "host.used": "the use",
  "host.limit": "the limit",
  "host.unit": "the measure",
  "host.device": "the device",
  "host.sustained_seconds": "how long it lasts already in seconds",
  "host.over": { yes: "the use is over its limit", no: "the use is below its limit again" },
  "pattern.key": "the list of your configuration",
  "pattern.text": "the entry of the list",
  "pattern.subject": "where it was found",
  "pattern.matched": "what fits the entry",
  "threshold.name": "the threshold",
  "threshold.value": "the value",
  "threshold.limit": "the limit",
  "indicator.type": "the kind of indicator",
  "indicator.value": "the indicator",
  "indicator.list": "the list that names it",
  "indicator.line": "the line of the list",
};

const WORDS: Readonly<Record<string, Words>> = { ...PROCESS, ...NETWORK, ...SHELLS, ...KERNEL, ...FILES, ...REST };

/** `shell.wiring is "direct"` as `its own input and output are the connection`; unchanged where it names no field. */
export function readableReason(reason: string): string {
  const points = / \(\+(\d+)\)$/.exec(reason);
  const sentence = points === null ? reason : reason.slice(0, points.index);
  const blank = sentence.indexOf(" ");
  const words = Object.hasOwn(WORDS, sentence.slice(0, blank)) ? WORDS[sentence.slice(0, blank)] : undefined;
  if (words === undefined) return reason;
  const readable = inWords(words, withOtherField(sentence.slice(blank + 1)));
  return points === null ? readable : `${readable} (adds ${points[1]} to the score)`;
}

/** Whether a field can be told in words. */
export function hasWords(field: string): boolean {
  return Object.hasOwn(WORDS, field);
}

function inWords(words: Words, says: string): string {
  if (typeof words === "string") return `${words} ${says}`;
  if ("values" in words) {
    const value = /^is "(.*)"$/.exec(says)?.[1];
    const known = value !== undefined && Object.hasOwn(words.values, value) ? words.values[value] : undefined;
    return known ?? `${words.name} ${says}`;
  }
  if (says === 'is "true"') return words.yes;
  if (says === 'is "false"') return words.no;
  return says === "is absent" ? `nothing shows whether ${words.yes}` : `"${words.yes}" ${says}`;
}

/** `is the value of process.name`. */
function withOtherField(says: string): string {
  const other = / the value of ([a-z][\w.]*)/.exec(says);
  const words = other?.[1] === undefined || !Object.hasOwn(WORDS, other[1]) ? undefined : WORDS[other[1]];
  return other === null || typeof words !== "string" ? says : says.replace(other[0], ` ${words}`);
}
