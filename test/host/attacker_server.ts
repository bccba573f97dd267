// Runs inside the attacker's network namespace, started by attacker.ts. Orders come as JSON lines on standard input,
// reports leave as JSON lines on standard output. It only ever talks to the test host at the other end of the veth.
import type { Socket, udp } from "bun";
import type { FirstWord, Order } from "./attacker.ts";

type Peer = { write(data: string | Uint8Array): void; end(): void };
const peers = new Map<number, Peer>();
const servers = new Map<number, { stop(): void }>();

function report(port: number, event: "open" | "data" | "close" | "error" | "ready", text = ""): void {
  process.stdout.write(`${JSON.stringify({ port, event, text })}\n`);
}

async function obey(order: Order): Promise<void> {
  switch (order.do) {
    case "listen":
      return order.transport === "udp"
        ? listenUdp(order.port, order.first)
        : listenTcp(order.port, order.transport === "tls", order.first);
    case "connect":
      return connect(order.port, order.address, order.first);
    case "send":
      return send(order.port, order.text, order.byteWise ?? false);
    case "close":
      peers.get(order.port)?.end();
      servers.get(order.port)?.stop();
      peers.delete(order.port);
      servers.delete(order.port);
      return;
    case "http":
      return serveHttp(order.port, order.files, order.tls ?? false);
    case "banner":
      return serveBanner(order.port, order.banner, order.reply);
    case "pool":
      return servePool(order.port);
  }
}

const CONNECT_TIMEOUT_MS = 6000;
const NOISE_AFTER_MS = 3;

function handlersFor(port: number, first: FirstWord | undefined, tls = false) {
  return {
    open(socket: Socket<undefined>) {
      if (!tls) speakFirst(socket, first);
      peers.set(port, socket);
      report(port, "open");
    },
    handshake(socket: Socket<undefined>) {
      speakFirst(socket, first);
    },
    data(_socket: Socket<undefined>, data: Buffer) {
      report(port, "data", data.toString("utf8"));
    },
    close(socket: Socket<undefined>) {
      if (peers.get(port) === socket) report(port, "close");
    },
    error(_socket: Socket<undefined>, error: Error) {
      report(port, "error", error.message);
    },
  };
}

/** Synchronous where nothing else is asked for: nothing comes between accepting and speaking. */
function speakFirst(peer: Peer, first: FirstWord | undefined): void {
  if (first === undefined) return;
  if (first.dripMs === undefined && first.afterMs === undefined) peer.write(first.text);
  else void speakLater(peer, first);
  const { noise } = first;
  if (noise !== undefined) setTimeout(() => peer.write(noise), NOISE_AFTER_MS);
}

async function speakLater(peer: Peer, first: FirstWord): Promise<void> {
  await Bun.sleep(first.afterMs ?? 0);
  if (first.dripMs === undefined) return peer.write(first.text);
  for (const byte of Buffer.from(first.text)) {
    peer.write(Uint8Array.of(byte));
    await Bun.sleep(first.dripMs);
  }
}

async function listenTcp(port: number, tls: boolean, first: FirstWord | undefined): Promise<void> {
  const certificate = tls ? { tls: await selfSigned() } : {};
  const server = Bun.listen({ hostname: "::", port, socket: handlersFor(port, first, tls), ...certificate });
  servers.set(port, server);
}

async function listenUdp(port: number, first: FirstWord | undefined): Promise<void> {
  let peer: { port: number; address: string } | undefined;
  const socket: udp.Socket<"buffer"> = await Bun.udpSocket({
    hostname: "0.0.0.0",
    port,
    socket: {
      data(_socket, data, fromPort, fromAddress) {
        const isNew = peer === undefined;
        peer = { port: fromPort, address: fromAddress };
        if (isNew) {
          report(port, "open");
          const target = peers.get(port);
          if (target !== undefined) speakFirst(target, first);
        }
        report(port, "data", data.toString("utf8"));
      },
      // A killed shell's port answers with an ICMP error, which is what we want to see.
      error: () => report(port, "close"),
    },
  });
  peers.set(port, {
    write: (data) => void (peer && socket.send(data, peer.port, peer.address)),
    end: () => socket.close(),
  });
}

/** A bind shell may need a moment until it listens; the sooner it is found, the harder the test. */
async function connect(port: number, address: string, first: FirstWord | undefined): Promise<void> {
  const until = Date.now() + CONNECT_TIMEOUT_MS;
  for (;;) {
    try {
      await Bun.connect({ hostname: address, port, socket: handlersFor(port, first) });
      return;
    } catch (thrown) {
      if (Date.now() > until) return report(port, "error", String(thrown));
      await Bun.sleep(first === undefined ? 150 : 25);
    }
  }
}

/** A program that reads a datagram byte by byte loses the rest of it: `byteWise` sends one byte a datagram. */
async function send(port: number, text: string, byteWise: boolean): Promise<void> {
  const peer = peers.get(port);
  if (peer === undefined) return report(port, "error", "nobody is connected");
  if (!byteWise) return void peer.write(text);
  for (const byte of Buffer.from(text)) {
    peer.write(Uint8Array.of(byte));
    await Bun.sleep(2);
  }
}

async function serveHttp(port: number, files: Readonly<Record<string, string>>, tls: boolean): Promise<void> {
  const server = Bun.serve({
    hostname: "::",
    port,
    idleTimeout: 240,
    ...(tls ? { tls: await selfSigned() } : {}),
    async fetch(request) {
      const url = new URL(request.url);
      const path = url.pathname;
      const body = request.method === "GET" ? "" : await request.text();
      report(port, "data", `${request.method} ${path}${decodeURIComponent(url.search)}\n${body}`);
      const file = files[path];
      // A value that starts with `file:` names a file of the machine, for payloads that download a program.
      if (file?.startsWith("file:")) return new Response(Bun.file(file.slice(5)));
      return new Response(file ?? `${request.method} ${path}\n`);
    },
  });
  servers.set(port, server);
  report(port, "open");
}

function serveBanner(port: number, banner: string, reply: string | undefined): void {
  const server = Bun.listen({
    hostname: "::",
    port,
    socket: {
      open: (socket: Socket<undefined>) => void (banner === "" || socket.write(`${banner}\r\n`)),
      data: (socket: Socket<undefined>, data: Buffer) => {
        report(port, "data", data.toString("utf8"));
        if (banner === "") return;
        socket.write(`${reply ?? `+OK ${data.toString("utf8").trim()}`}\r\n`);
      },
      error: () => {},
    },
  });
  servers.set(port, server);
}

function servePool(port: number): void {
  const job = {
    job_id: "1",
    target: "b88d0600",
    height: 3_000_000,
    blob: "10".repeat(76),
    seed_hash: "ab".repeat(32),
    algo: "rx/0",
  };
  const server = Bun.listen({
    hostname: "::",
    port,
    socket: {
      open: () => report(port, "open"),
      data: (socket: Socket<undefined>, data: Buffer) => {
        for (const line of data.toString("utf8").split("\n").filter(Boolean)) {
          report(port, "data", `${line}\n`);
          const id = /"id":\s*(\d+)/.exec(line)?.[1] ?? "1";
          socket.write(
            `{"id":${id},"jsonrpc":"2.0","error":null,"result":${JSON.stringify({ id: "x", job, status: "OK" })}}\n`,
          );
        }
      },
      close: () => report(port, "close"),
      error: () => {},
    },
  });
  servers.set(port, server);
}

/** A certificate of our own for this run, signed by nobody. */
async function selfSigned(): Promise<{ cert: string; key: string }> {
  const directory = process.env["ATTACKER_DIRECTORY"] ?? "/tmp";
  const [cert, key] = [`${directory}/attacker.pem`, `${directory}/attacker.key`];
  if (!(await Bun.file(cert).exists())) {
    const subject = ["-subj", "/CN=attacker", "-addext", "subjectAltName=DNS:attacker,DNS:github.com"];
    const argv = [
      "openssl",
      "req",
      "-x509",
      "-newkey",
      "rsa:2048",
      "-nodes",
      "-days",
      "2",
      ...subject,
      "-keyout",
      key,
      "-out",
      cert,
    ];
    await Bun.spawn(argv, { stdout: "ignore", stderr: "ignore" }).exited;
  }
  return { cert: await Bun.file(cert).text(), key: await Bun.file(key).text() };
}

await selfSigned();
report(0, "ready");
let rest = "";
for await (const chunk of Bun.stdin.stream()) {
  const lines = (rest + new TextDecoder().decode(chunk)).split("\n");
  rest = lines.pop() ?? "";
  for (const line of lines) {
    const order: Order = JSON.parse(line);
    obey(order).catch((thrown) => report(order.port, "error", String(thrown)));
  }
}
process.exit(0);
