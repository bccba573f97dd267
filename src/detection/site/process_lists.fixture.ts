// Lists as wide as sites had them in the replaced service, with the entries that hit what nobody meant; and a short way
// to lists of a test's own.
import { compileProcessLists, type ProcessListKeys, type ProcessLists } from "./process_lists.ts";

export const WIDE_LISTS: ProcessListKeys = {
  SUSPICIOUS_PATTERNS: [
    "\\.(sh|py)$",
    "^[0-9a-f]{32}$",
    "reverse_?shell",
    "mine",
    "cryptomine",
    "xmrig",
    "nc\\.?at",
    "rsh",
    "socat",
    "/(tmp|dev/shm)/[a-z0-9]{10}",
  ],
  REVERSE_SHELL_INDICATORS: [
    "bash -i",
    "sh -i",
    "python -c",
    "php -",
    "socat exec:",
    "rm /tmp/f;mkfifo /tmp/f",
    `awk 'BEGIN {system("/bin/sh")}'`,
    "curl <URL> | sh",
    "telnet <IP> <PORT> | /bin/sh",
  ],
  TRUSTED_USERS_PATTERNS: ["panel-", "ng ", "npm "],
  TRUSTED_SYSTEM_PATTERNS: ["kworker/", "kthreadd/", "ksoftirqd/"],
  PROTECTED_DIRECTORIES: ["/root/", "/home/*/.ssh/"],
  PROCESS_THRESHOLDS: {
    cpu_percent: 95,
    memory_percent: 85,
    children: 50,
    connections: 100,
    file_handles: 2000,
    threads: 1000,
    executables: { "/usr/bin/ffmpeg": { cpu_percent: 800 } },
  },
};

export function processListsOf(keys: Partial<ProcessListKeys>): ProcessLists {
  return compileProcessLists({
    SUSPICIOUS_PATTERNS: [],
    REVERSE_SHELL_INDICATORS: [],
    TRUSTED_USERS_PATTERNS: [],
    TRUSTED_SYSTEM_PATTERNS: [],
    PROTECTED_DIRECTORIES: [],
    ...keys,
    PROCESS_THRESHOLDS: { ...WIDE_LISTS.PROCESS_THRESHOLDS, ...keys.PROCESS_THRESHOLDS },
  });
}
