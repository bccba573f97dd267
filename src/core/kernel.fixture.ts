/** What the sensor might say, for tests: each call makes a new one; pass what the test is about. */
import type { KernelAsk, KernelConnection, KernelExec, KernelTask, KernelVerdict } from "./kernel.ts";
import { NOON_MS } from "./nouns.fixture.ts";

export function taskFixture(overrides: Partial<KernelTask> = {}): KernelTask {
  return {
    ref: { pid: 500, startedAtTicks: 1_500 },
    parent: { pid: 400, startedAtTicks: 1_400 },
    startedAtMs: NOON_MS - 20,
    effectiveUid: 1_000,
    uid: 1_000,
    gid: 1_000,
    loginUid: -1,
    sessionId: 400,
    terminalDevice: 0,
    namespaces: { mount: 4_026_531_841, network: 4_026_531_840, pid: 4_026_531_836 },
    device: 2_049,
    inode: 77,
    cgroup: 9_001n,
    isNamed: true,
    marks: { memfd: false, deleted: false, setuid: false },
    ...overrides,
  };
}

export function connectionFixture(overrides: Partial<KernelConnection> = {}): KernelConnection {
  return {
    cookie: 4_001n,
    inode: 9_001,
    networkNamespace: 4_026_531_840,
    protocol: "tcp",
    direction: "connected",
    listens: false,
    local: { address: "10.0.0.5", port: 40_000 },
    remote: { address: "203.0.113.7", port: 4_444 },
    bytesReceived: 0,
    bytesSent: 0,
    openedAtMs: NOON_MS - 10,
    ...overrides,
  };
}

export function execFixture(overrides: Partial<KernelExec> = {}): KernelExec {
  return {
    atMs: NOON_MS,
    sinceBootUs: 1_000,
    task: taskFixture(),
    path: "/usr/bin/bash",
    directory: "/srv",
    argv: ["bash", "-i"],
    argvTruncated: false,
    incomplete: false,
    environment: [],
    ...overrides,
  };
}

export function verdictFixture(overrides: Partial<KernelVerdict> = {}): KernelVerdict {
  return {
    atMs: NOON_MS,
    task: taskFixture(),
    connection: connectionFixture(),
    generation: 7,
    rule: "reverse_shell",
    shape: "direct",
    stage: "exec",
    action: "killed",
    argv: ["bash", "-i"],
    ...overrides,
  };
}

export function askFixture(overrides: Partial<KernelAsk> = {}): KernelAsk {
  return {
    atMs: NOON_MS,
    task: taskFixture(),
    connection: connectionFixture(),
    id: 42n,
    shape: "pending",
    stage: "connect",
    held: "connection",
    argv: [],
    ...overrides,
  };
}
