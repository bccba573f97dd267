// The remote attacker of a test host: a network namespace with one server process (attacker_server.ts) in it.
// The process is outside the host's PID namespace, so nothing that runs in the host can end it.
import { join } from "node:path";
import { type CommandResult, endTree, run } from "./machine.ts";

/** What the server tells about one port, accumulated. */
export interface Conversation {
  /** A peer is (or was) there: it connected to us or accepted us; for UDP it sent something. */
  connected: boolean;
  closed: boolean;
  connections: number;
  /** Everything received, at most 64 kB. */
  received: string;
  error: string;
}

/** What the attacker says in the very moment of accepting or connecting (UDP: of the first datagram). */
export interface FirstWord {
  readonly text: string;
  /** One byte at a time, with so many milliseconds between them. */
  readonly dripMs?: number;
  /** Not at once. */
  readonly afterMs?: number;
  /** Follows a moment later, in a packet of its own. */
  readonly noise?: string;
}

export type Order =
  | {
      readonly do: "listen";
      readonly port: number;
      readonly transport: "tcp" | "udp" | "tls";
      readonly first?: FirstWord;
    }
  | { readonly do: "connect"; readonly port: number; readonly address: string; readonly first?: FirstWord }
  | { readonly do: "send"; readonly port: number; readonly text: string; readonly byteWise?: boolean }
  | { readonly do: "close"; readonly port: number }
  /** An HTTP server with keep-alive: path -> body; every other path answers with the request's method and path. */
  | {
      readonly do: "http";
      readonly port: number;
      readonly files: Readonly<Record<string, string>>;
      readonly tls?: boolean;
    }
  /** Speaks a line first, then echoes lines, or always gives the same reply: the shape of a database or a mail server. */
  | { readonly do: "banner"; readonly port: number; readonly banner: string; readonly reply?: string }
  /** A mining pool: answers stratum's subscribe and authorize and sends jobs. */
  | { readonly do: "pool"; readonly port: number };

export interface Attacker {
  readonly address: string;
  readonly address6: string;
  /** The PEM file of the certificate that its TLS servers show (subject `attacker`, also valid for github.com). */
  readonly certificate: string;
  order(order: Order): void;
  conversation(port: number): Conversation;
  /** Waits until the conversation satisfies the condition; false after the timeout. */
  until(port: number, condition: (conversation: Conversation) => boolean, timeoutMs: number): Promise<boolean>;
  /** Runs a bash script in the attacker's network namespace, in the file system of the host but outside its processes. */
  exec(script: string, timeoutMs?: number): Promise<CommandResult>;
  /** As `exec`, in the background. */
  start(script: string): { readonly stop: () => void; readonly isAlive: () => boolean };
  stop(): Promise<void>;
}

interface Setting {
  readonly namespace: string;
  readonly root: string;
  /** Where the server keeps its certificate. */
  readonly directory: string;
  readonly number: number;
  /** Told the pid of every process started, so that a later run can end it if this one dies. */
  started(pid: number): void;
}

export async function startAttacker(setting: Setting): Promise<Attacker> {
  const enter = ["ip", "netns", "exec", setting.namespace];
  const server = Bun.spawn([...enter, process.execPath, join(import.meta.dir, "attacker_server.ts")], {
    stdin: "pipe",
    stdout: "pipe",
    stderr: "inherit",
    env: { PATH: process.env["PATH"] ?? "/usr/bin:/bin", ATTACKER_DIRECTORY: setting.directory },
  });
  setting.started(server.pid);
  const conversations = new Map<number, Conversation>();
  const running = new Set<ReturnType<typeof Bun.spawn>>();
  let ready = () => {};
  const isReady = new Promise<void>((resolve) => {
    ready = resolve;
  });
  void readReports(server.stdout, conversationOf, ready);
  await Promise.race([
    isReady,
    server.exited.then((code) => Promise.reject(new Error(`attacker: the server ended with ${code}`))),
  ]);

  function conversationOf(port: number): Conversation {
    const known = conversations.get(port);
    if (known !== undefined) return known;
    const fresh: Conversation = { connected: false, closed: false, connections: 0, received: "", error: "" };
    conversations.set(port, fresh);
    return fresh;
  }

  function inRoot(script: string): string[] {
    return [
      ...enter,
      "chroot",
      setting.root,
      "env",
      "-i",
      "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
      "HOME=/root",
      "TERM=dumb",
      "bash",
      "-c",
      script,
    ];
  }

  return {
    address: `10.77.${setting.number}.1`,
    address6: `fd77:${setting.number}::1`,
    certificate: join(setting.directory, "attacker.pem"),
    order: (order) => {
      if (order.do === "listen" || order.do === "connect") conversations.delete(order.port);
      server.stdin.write(`${JSON.stringify(order)}\n`);
      server.stdin.flush();
    },
    conversation: conversationOf,
    until: async (port, condition, timeoutMs) => {
      const end = Date.now() + timeoutMs;
      while (!condition(conversationOf(port))) {
        if (Date.now() > end) return false;
        await Bun.sleep(25);
      }
      return true;
    },
    exec: (script, timeoutMs = 30_000) => run(inRoot(script), { timeoutMs }),
    start: (script) => {
      const child = Bun.spawn(inRoot(script), { stdin: "ignore", stdout: "ignore", stderr: "ignore" });
      setting.started(child.pid);
      running.add(child);
      return {
        stop: () => {
          running.delete(child);
          endTree(child.pid);
        },
        isAlive: () => child.exitCode === null && child.signalCode === null,
      };
    },
    stop: async () => {
      for (const child of running) endTree(child.pid);
      server.kill("SIGKILL");
      await server.exited;
    },
  };
}

async function readReports(
  stream: ReadableStream<Uint8Array>,
  of: (port: number) => Conversation,
  ready: () => void,
): Promise<void> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of stream) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      const report = JSON.parse(line);
      if (report.event === "ready") ready();
      else apply(of(report.port), report);
    }
  }
}

function apply(conversation: Conversation, report: { event: string; text?: string }): void {
  switch (report.event) {
    case "open":
      conversation.connected = true;
      conversation.closed = false;
      conversation.connections++;
      return;
    case "data":
      conversation.connected = true;
      conversation.received = (conversation.received + (report.text ?? "")).slice(-65_536);
      return;
    case "close":
      conversation.closed = true;
      return;
    default:
      conversation.error = report.text ?? report.event;
  }
}
