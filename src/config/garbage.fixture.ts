/** Config files as they should not be. Shared by the unit tests here and by the fault tests in hosts. */

export interface Garbage {
  readonly name: string;
  /** Bytes where it is no legal text. */
  readonly text: string | Uint8Array;
  /** `kept-running`: nothing of it is applied. `partial`: all but the bad part is applied, and the bad part is told. */
  readonly expect: "kept-running" | "partial";
}

const MIB = 1024 * 1024;

function kept(name: string, text: string | Uint8Array): Garbage {
  return { name, text, expect: "kept-running" };
}

function partial(name: string, text: string): Garbage {
  return { name, text, expect: "partial" };
}

/** Good keys around a bad one: they must be applied. */
function around(name: string, bad: string): Garbage {
  return partial(name, `{"MODE": "monitor", ${bad}, "KILL_BUDGET": {"per_minute": 3}}`);
}

const UNUSABLE: readonly Garbage[] = [
  kept("empty", ""),
  kept("white space only", " \t\r\n\n"),
  kept("a byte order mark only", "\uFEFF"),
  kept("a comment only", "// nothing here\n"),
  kept("cut off after a key", '{"MODE": "monitor", "RULES"'),
  kept("cut off in a text", '{"MODE": "monit'),
  kept("cut off in a comment", '{"MODE": "monitor"} /* to be contin'),
  kept("the first byte only", "{"),
  kept("a missing comma", '{"MODE": "monitor" "RULES": {}}'),
  kept("a missing colon", '{"MODE" "monitor"}'),
  kept("two commas", '{"MODE": "monitor",, "RULES": {}}'),
  kept("single quotes", "{'MODE': 'monitor'}"),
  kept("typographic quotes", "{“MODE”: “monitor”}"),
  kept("keys without quotes", "{MODE: 'monitor'}"),
  kept("a Python literal", '{"SCANNERS": {"processes": True}}'),
  kept("NaN", '{"SCAN_INTERVALS": {"processes": NaN}}'),
  kept("a hexadecimal number", '{"SCAN_INTERVALS": {"processes": 0x10}}'),
  kept("a leading zero", '{"SCAN_INTERVALS": {"processes": 05}}'),
  kept("an unknown escape", '{"SUSPICIOUS_PATTERNS": ["\\.sh$"]}'),
  kept("a broken unicode escape", '{"MODE": "\\u12"}'),
  kept("a line break in a text", '{"MODE": "moni\ntor"}'),
  kept("a NUL byte", '{"MODE": \0"monitor"}'),
  kept("two documents", '{"MODE": "monitor"}\n{"MODE": "enforce"}'),
  kept("a stray closing brace", '{"MODE": "monitor"}}'),
  kept("brackets for braces, as the old README had it", '{"PROCESS_THRESHOLDS": ["cpu_percent": 80]}'),
  kept("a merge conflict", '{\n<<<<<<< HEAD\n"MODE": "monitor"\n=======\n"MODE": "enforce"\n>>>>>>> main\n}'),
  kept("an array", '["MODE", "monitor"]'),
  kept("a number", "42"),
  kept("a text", '"MODE"'),
  kept("null", "null"),
  kept("YAML", "MODE: monitor\nRULES:\n  reverse_shell: alert\n"),
  kept("an ini file", "[main]\nMODE=monitor\n"),
  kept("HTML", "<!DOCTYPE html><html><body>404 Not Found</body></html>"),
  kept("a shell script", "#!/bin/sh\necho hello\n"),
  kept("a hundred thousand brackets", "[".repeat(100_000)),
  kept("a hundred thousand nested objects", '{"a":'.repeat(100_000)),
  kept("deep but closed", `{"RULES": ${'{"a":'.repeat(64)}1${"}".repeat(64)}}`),
  kept("more than a mebibyte of spaces", `{"MODE": "monitor"${" ".repeat(MIB)}}`),
  kept(
    "latin1",
    new Uint8Array([...new TextEncoder().encode('{"MODE": "monitor" /* caf'), 0xe9, 0x20, 0x2a, 0x2f, 0x7d]),
  ),
  kept("UTF-16", new Uint8Array([0xff, 0xfe, ...[...'{"MODE":"monitor"}'].flatMap((part) => [part.charCodeAt(0), 0])])),
  kept("an ELF header", new Uint8Array([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0])),
  kept("zeros, as after a power cut", new Uint8Array(4096)),
  kept("an overlong encoding", new Uint8Array([0x7b, 0xc0, 0x80, 0x7d])),
];

const PARTLY_BAD: readonly Garbage[] = [
  around("an unknown key", '"SCAN_INTERVAL": {"processes": 1}'),
  around("an unknown key of no resemblance", '"XYZZY": null'),
  around("a key in small letters", '"rules": {}'),
  around("an empty key", '"": 1'),
  around("a key that reaches for the prototype", '"__proto__": {"MODE": "enforce"}'),
  around("a key named constructor", '"constructor": {"prototype": {}}'),
  around("a repeated key", '"RULES": {}, "RULES": {"bind_shell": "alert"}'),
  around("a key repeated in an object", '"SCANNERS": {"network": true, "network": true}'),
  around("a key repeated in an exception", '"EXCEPTIONS": [{"rule": "a", "exe": "/a", "exe": "/b", "reason": "r"}]'),
  around("null for an object", '"SCANNERS": null'),
  around("a number for a list", '"LOG_LEVELS": 4'),
  around("a text for a list", '"LOG_LEVELS": "ALERT"'),
  around("an object for a list", '"EXCEPTIONS": {"rule": "a"}'),
  around("a list for an object", '"RULES": ["reverse_shell"]'),
  around("a text for a number", '"SCAN_INTERVALS": {"processes": "5"}'),
  around("a text for a boolean", '"SCANNERS": {"network": "false"}'),
  around("an interval of zero", '"SCAN_INTERVALS": {"network": 0}'),
  around("a negative interval", '"SCAN_INTERVALS": {"network": -5}'),
  around("an interval of a year", '"SCAN_INTERVALS": {"network": 31536000}'),
  around("a number beyond all numbers", '"SCAN_INTERVALS": {"network": 1e999}'),
  around("an unknown scanner", '"SCANNERS": {"filesytem": true}'),
  around("an unknown response", '"RULES": {"reverse_shell": "terminate"}'),
  around("a rule name with a blank", '"RULES": {"reverse shell": "off"}'),
  around("an exception without rule and reason", '"EXCEPTIONS": [{"exe": "/usr/bin/nc"}]'),
  around("an exception that narrows nothing", '"EXCEPTIONS": [{"rule": "reverse_shell", "reason": "r"}]'),
  around("an exception with a relative path", '"EXCEPTIONS": [{"rule": "a", "exe": "nc", "reason": "r"}]'),
  around("an exception with a bad pattern", '"EXCEPTIONS": [{"rule": "a", "args": "(", "reason": "r"}]'),
  around("an exception that matches everything", '"EXCEPTIONS": [{"rule": "a", "args": ".*", "reason": "r"}]'),
  around("an exception for the whole internet", '"EXCEPTIONS": [{"rule": "a", "peer": "0.0.0.0/0", "reason": "r"}]'),
  around(
    "an exception until 30 February",
    '"EXCEPTIONS": [{"rule": "a", "exe": "/a", "until": "2027-02-30", "reason": "r"}]',
  ),
  around("an exception that is null", '"EXCEPTIONS": [null]'),
  around("a pattern with lookahead", '"SUSPICIOUS_PATTERNS": ["xmrig", "(?=a)b"]'),
  around("a pattern with a back-reference", '"SUSPICIOUS_NETWORK_PATTERNS": ["(a)\\\\1"]'),
  around("a pattern that explodes elsewhere", '"SUSPICIOUS_PATTERNS": ["((a{1000}){1000}){1000}"]'),
  around("an address with a port", '"MINING_POOLS": ["203.0.113.7:3333"]'),
  around("a pool as a URL", '"MINING_POOLS": ["stratum+tcp://pool.example.org:3333"]'),
  around("a network that is none", '"MINING_POOLS": ["203.0.113.0/33"]'),
  around("a unit without its kind", '"NEVER_TOUCH": {"units": ["postgresql"]}'),
  around("a user that is a path", '"NEVER_TOUCH": {"users": ["/home/ann"]}'),
  around("paths as a bare list", '"NEVER_TOUCH": ["/usr/sbin/haproxy"]'),
  around("an empty text", '"TRUSTED_SYSTEM_PROCESSES": [""]'),
  around("a terminal escape", '"TRUSTED_SYSTEM_PROCESSES": ["\\u001b[2J"]'),
  around("port zero", '"TRUSTED_PORTS": {"0": "none"}'),
  around("ports as a list", '"TRUSTED_PORTS": [22, 80]'),
  around("a small-letter level", '"LOG_LEVELS": ["alert"]'),
  around("a retention of nothing", '"RETENTION": {"days": 0}'),
  around("half a day", '"RETENTION": {"days": 0.5}'),
  around("a threshold in words", '"PROCESS_THRESHOLDS": {"cpu_percent": "high"}'),
  around("a webhook that is not https", '"NOTIFICATIONS": {"webhook": {"url": "http://example.org/x"}}'),
  around("a webhook without an address", '"NOTIFICATIONS": {"webhook": {"secret": "s"}}'),
  around("a webhook that is a text", '"NOTIFICATIONS": {"webhook": "https://example.org/x"}'),
  around("a notification command without a program", '"NOTIFICATIONS": {"command": {}}'),
  around("a notification command that is empty", '"NOTIFICATIONS": {"command": {"argv": []}}'),
  around("a notification command that is no list", '"NOTIFICATIONS": {"command": {"argv": "/bin/true"}}'),
  around("a notification level in small letters", '"NOTIFICATIONS": {"desktop": {"min_level": "alert"}}'),
  around("indicators as a list", '"INDICATORS": ["/etc/bad.txt"]'),
  around("indicators that are a number", '"INDICATORS": {"files": [7]}'),
  around("host thresholds in words", '"HOST_THRESHOLDS": {"cpu_percent": "80 %"}'),
  around("files as a list", '"FILES": ["/etc"]'),
  around("a protected directory that is relative", '"PROTECTED_DIRECTORIES": ["etc"]'),
  around("allowances as a list", '"DISTRO_SPECIFIC_ALLOWANCES": ["ubuntu"]'),
  around("a threshold of one program that is null", '"PROCESS_THRESHOLDS": {"executables": {"/usr/bin/x": null}}'),
  around("a schema that is no text", '"$schema": 7'),
  around("ten thousand and one trusted names", `"TRUSTED_SYSTEM_PROCESSES": [${'"a",'.repeat(10_000)}"b"]`),
  around("a thousand bad entries", `"EXCEPTIONS": [${'{"rule": 1},'.repeat(999)}{"rule": 1}]`),
];

export const GARBAGE: readonly Garbage[] = [...UNUSABLE, ...PARTLY_BAD];
