/** One small host as the look-only commands show it: the real reports over a written-down sweep. For tests. */
import { hostFixture } from "../context/host.fixture.ts";
import type { Handlers } from "../core/control.ts";
import type { SweptBy } from "../core/control_views.ts";
import type { FilesStatus } from "../core/files.ts";
import { ok } from "../core/result.ts";
import type { Session } from "../core/session.ts";
import { viewHandlers } from "./handlers_views.ts";
import { connectionsReport, type Look, processesReport, processReport } from "./views.ts";

/** As in control.fixture.ts. */
const NOW_MS = Date.UTC(2026, 2, 14, 12, 0, 0);

const HOST = `
pid 2 ppid 0 uid 0 name kthreadd
unit nginx.service main 700
pid 700 ppid 1 uid 0 age 7200000 exe /usr/sbin/nginx
  argv ["nginx: master process"]
  fd 6 rw socket:[9001]
pid 701 ppid 700 uid 33 age 7200000 cpu 12.5 exe /usr/sbin/nginx
  argv ["nginx: worker process"]
  fd 6 rw socket:[9001]
  fd 9 rw socket:[9002]
cgroup /user.slice/user-1000.slice/session-3.scope
pid 900 ppid 1 uid 1000 age 60000 exe /usr/bin/bash
  argv ["-bash"]
  fd 0 rw /dev/pts/1
pid 901 ppid 900 uid 1000 tty 34817 age 30000 cpu 99.5 exe /home/alice/bin/evil\u001b[31m
  argv ["./evil", "--to", "a\\nb"]
  fd 0 r pipe:[77]
  fd 1 w /dev/null
  fd 3 rw socket:[9003]
  fd 4 r /etc/hosts
pid 902 ppid 900 uid 1000 age 20000 exe /usr/bin/python3.11
  argv ["python3", "/home/alice/serve.py"]
  fd 1 w pipe:[77]
  fd 4 rw socket:[9004]
pid 903 ppid 1 uid 0 mount 55 age 10000 exe /usr/bin/redis-server
tcp listen 0.0.0.0:80 inode 9001
tcp 10.0.0.2:80 <- 198.51.100.7:51000 inode 9002 sent 4096 10 received 512 20
tcp 10.0.0.2:40000 -> 203.0.113.9:4444 inode 9003
tcp listen 127.0.0.1:8000 inode 9004
tcp 10.0.0.2:40010 -> 10.0.0.9:5432 inode 9005
`;

const IDENTITY = { sha256: "ab".repeat(32), packageState: "none" } as const;

export function lookFixture(sweptBy: SweptBy = "daemon"): Look {
  const identities = new Map([["/home/alice/bin/evil\u001b[31m", IDENTITY]]);
  const hints = new Map([[901, ["SUSPICIOUS_PATTERNS evil"]]]);
  const { view, sockets } = hostFixture(HOST, { identities, hints });
  return { view, sockets, sweptBy };
}

export const SESSIONS: readonly Session[] = [
  sessionFixture({ id: "3", source: "198.51.100.7", terminal: "pts/1", service: "sshd", remote: true, leaderPid: 890 }),
  sessionFixture({
    id: "c1",
    user: "gdm",
    uid: 120,
    class: "greeter",
    type: "wayland",
    startedAtMs: NOW_MS - 9_000_000,
  }),
];

function sessionFixture(over: Partial<Session>): Session {
  return {
    id: "1",
    user: "alice",
    uid: 1000,
    source: "",
    terminal: "",
    service: "",
    type: "tty",
    class: "user",
    remote: false,
    leaderPid: 0,
    startedAtMs: NOW_MS - 3_600_000,
    ...over,
  };
}

export function filesFixture(over: Partial<FilesStatus> = {}): FilesStatus {
  return {
    state: "watching",
    entries: 123_456,
    bytes: 5 * 2 ** 30,
    roots: [
      { pattern: "/etc/", directories: 1, entries: 2_100 },
      { pattern: "/home/*/.ssh/", directories: 0, entries: 0, reason: "nothing fits" },
    ],
    lastRound: { atMs: NOW_MS - 30_000, tookMs: 412.5, changes: 2, bytesRead: 8_192 },
    lastVerifiedAtMs: NOW_MS - 7_200_000,
    baselineAtMs: NOW_MS - 86_400_000,
    skipped: [{ path: "/mnt/nfs\u001b[2J", reason: "another filesystem (nfs)" }],
    skippedTotal: 3,
    unreadable: 0,
    unhashed: 4,
    held: 0,
    databasePath: "/opt/.monitor/files.db",
    databaseBytes: 20 * 2 ** 20,
    ...over,
  };
}

export function viewHandlersFixture(): Pick<Handlers, keyof ReturnType<typeof viewHandlers>> {
  return viewHandlers({
    lastSweep: lookFixture,
    sessions: () => SESSIONS,
    files: filesFixture,
    scanFiles: () => undefined,
    verifyFiles: () => undefined,
    nowMs: () => NOW_MS,
  });
}

export function viewsFixture(sweptBy: SweptBy) {
  const look = lookFixture(sweptBy);
  return {
    processes: async (params: Parameters<typeof processesReport>[1]) => processesReport(look, params),
    process: async (pid: number) => processReport(look, pid),
    connections: async (params: Parameters<typeof connectionsReport>[1]) => connectionsReport(look, params),
    sessions: async () => ok(SESSIONS),
  };
}
