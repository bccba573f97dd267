import { describe, expect, test } from "bun:test";
import type { InternetSocket } from "../core/socket.ts";
import { destroySocket, probeDestroy } from "./destroy.ts";
import { ownNetworkNamespace } from "./netlink.ts";
import { createSocketReader, type NamespaceMember, type SocketSweep } from "./sockets.ts";
import { readNamespaces } from "./system.ts";
import { startPython, startReady, until } from "./test_processes.ts";

const WITH_LOOPBACK = "import subprocess\nsubprocess.run(['ip', 'link', 'set', 'lo', 'up'], check=True)\n";

/** Both ends of a TCP connection in one process; `c` connected, `a` accepted. Prints their inodes. */
function pairProgram(family: string, address: string, then = ""): string {
  return [
    "import os, socket",
    `s = socket.socket(socket.${family}); s.bind((${JSON.stringify(address)}, 0)); s.listen()`,
    `c = socket.socket(socket.${family}); c.connect(s.getsockname()[:2]); a, _ = s.accept()`,
    then,
    "out = ' '.join(str(os.fstat(x.fileno()).st_ino) for x in (c, a, s))",
  ].join("\n");
}

function byInode(sweep: SocketSweep, inode: number | undefined): InternetSocket {
  const found = sweep.internet.find((socket) => socket.inode === inode);
  if (found === undefined) throw new Error(`socket ${inode} is not in the sweep`);
  return found;
}

function memberOf(pid: number): NamespaceMember {
  return { ref: { pid }, namespaces: readNamespaces(pid) };
}

/** Network namespaces differ from ours only after the child's unshare, which precedes its first line. */
async function startInNamespace(program: string): ReturnType<typeof startReady> {
  const body = `${WITH_LOOPBACK}${program}\nimport time\nprint(out, flush=True)\ntime.sleep(60)`;
  return await startReady(["unshare", "--net", "python3", "-c", body]);
}

describe("direction of real connections", () => {
  const rows: [string, string, string, string, string, string][] = [
    ["idle, IPv4", "AF_INET", "127.0.0.1", "", "connected", "accepted"],
    ["idle, IPv6", "AF_INET6", "::1", "", "connected", "accepted"],
    ["after the server spoke", "AF_INET", "127.0.0.1", "a.sendall(b'x' * 1000); c.recv(1000)", "connected", "accepted"],
    ["after the client spoke", "AF_INET6", "::1", "c.sendall(b'x' * 1000); a.recv(1000)", "connected", "accepted"],
    [
      "after a megabyte both ways",
      "AF_INET",
      "127.0.0.1",
      "for _ in range(64):\n  c.sendall(b'x' * 16384); a.recv(16384, socket.MSG_WAITALL); a.sendall(b'y' * 16384); c.recv(16384, socket.MSG_WAITALL)",
      "connected",
      "accepted",
    ],
    [
      "half closed by the server: the client keeps its answer",
      "AF_INET",
      "127.0.0.1",
      "a.shutdown(socket.SHUT_WR)",
      "connected",
      "unknown",
    ],
    [
      "half closed by the client: the server keeps its answer",
      "AF_INET",
      "127.0.0.1",
      "c.shutdown(socket.SHUT_WR)",
      "unknown",
      "accepted",
    ],
    [
      "with data that nobody reads yet",
      "AF_INET",
      "127.0.0.1",
      "c.sendall(b'x' * 5000); a.sendall(b'y' * 5000)",
      "connected",
      "accepted",
    ],
  ];
  test.each(rows)("%s", async (_, family, address, then, connected, accepted) => {
    const { line } = await startPython(pairProgram(family, address, then));
    const [c, a, s] = line.split(" ").map(Number);
    const reader = createSocketReader();
    // The last acknowledgement may be delayed (40 ms): until then the answer is `unknown`, never the wrong one.
    await until(() => {
      const sweep = reader.read([]);
      const seen = [byInode(sweep, c).direction, byInode(sweep, a).direction];
      expect(["unknown", connected]).toContain(seen[0] ?? "none");
      expect(["unknown", accepted]).toContain(seen[1] ?? "none");
      return seen[0] === connected && seen[1] === accepted;
    });
    expect(byInode(reader.read([]), s)).toMatchObject({ state: "listen" });
  });

  test("an MPTCP connection shows under the inode that its process holds", async () => {
    const program = pairProgram("AF_INET", "127.0.0.1").replaceAll(
      "socket.AF_INET)",
      "socket.AF_INET, socket.SOCK_STREAM, 262)",
    );
    const started = await startPython(program).catch(() => undefined); // kernels before 5.6, or switched off
    if (started === undefined) return;
    const [c, a] = started.line.split(" ").map(Number);
    const sweep = createSocketReader().read([]);
    expect([byInode(sweep, c).direction, byInode(sweep, a).direction]).toEqual(["connected", "accepted"]);
  });
});

describe("other network namespaces", () => {
  test("their sockets are read, and this thread is back in its own", async () => {
    const own = ownNetworkNamespace();
    const { ref, line } = await startInNamespace(pairProgram("AF_INET", "127.0.0.1", "a.sendall(b'x'); c.recv(1)"));
    const [c, a] = line.split(" ").map(Number);
    const member = memberOf(ref.pid);
    expect(member.namespaces.network).not.toBe(own);
    const sweep = createSocketReader().read([member]);
    expect(byInode(sweep, c)).toMatchObject({ networkNamespace: member.namespaces.network, direction: "connected" });
    expect(byInode(sweep, a)).toMatchObject({ direction: "accepted", traffic: { bytesSent: 1 } });
    expect(sweep.namespaces).toBe(2);
    expect(ownNetworkNamespace()).toBe(own);
  });

  test("a process that has gone or whose pid is another's takes nothing along", () => {
    const sweep = createSocketReader().read([
      { ref: { pid: 999_999_999 }, namespaces: { network: 4 } },
      { ref: { pid: process.pid }, namespaces: { network: 5 } },
    ]);
    expect(sweep).toMatchObject({ faultCount: 0, namespaces: 3 });
  });

  test("the number of namespaces is bounded, and the rest counted", () => {
    const members = [1, 2, 3].map((network) => ({ ref: { pid: 999_999_999 }, namespaces: { network } }));
    expect(createSocketReader({ namespacesMax: 2 }).read(members)).toMatchObject({
      namespaces: 2,
      cut: { namespaces: 2 },
    });
  });
});

describe("other kinds of sockets", () => {
  test("udp is bound or connected, and raw is listed by whatever road this kernel has", async () => {
    const { line } = await startPython(
      "import os, socket\nb=socket.socket(2,2); b.bind(('127.0.0.1',0)); c=socket.socket(2,2); c.connect(b.getsockname()); r=socket.socket(2,3,1)\nout=' '.join(str(os.fstat(x.fileno()).st_ino) for x in (b,c,r))",
    );
    const [bound, connected, raw] = line.split(" ").map(Number);
    const sweep = createSocketReader().read([]);
    expect(byInode(sweep, bound)).toMatchObject({ protocol: "udp", state: "bound" });
    expect(byInode(sweep, bound)).not.toHaveProperty("remote");
    expect(byInode(sweep, connected)).toMatchObject({
      state: "established",
      remote: { address: "127.0.0.1" },
      direction: "unknown",
    });
    expect(byInode(sweep, raw)).toMatchObject({ protocol: "raw", state: "bound", local: { port: 0 } });
  });

  test("a unix socketpair names its peer, a listener its path", async () => {
    const { line } = await startPython(
      "import os, socket\na,b=socket.socketpair(); l=socket.socket(1); l.bind('\\0algo-test-%d' % os.getpid()); l.listen()\nout=' '.join(str(os.fstat(x.fileno()).st_ino) for x in (a,b,l))+f' {os.getpid()}'",
    );
    const [a, b, l, pid] = line.split(" ").map(Number);
    const { unix } = createSocketReader().read([]);
    const find = (inode: number | undefined) => unix.find((socket) => socket.inode === inode);
    expect(find(a)).toMatchObject({ peerInode: b ?? -1, listening: false, path: "" });
    expect(find(b)).toMatchObject({ peerInode: a ?? -1 });
    expect(find(l)).toMatchObject({ listening: true, path: `@algo-test-${pid}`, peerInode: 0 });
  });

  test("a packet socket is seen with what it hears, the same by netlink and by /proc/net", async () => {
    const { line, ref } = await startInNamespace(
      "import os, socket\na=socket.socket(17, 3, socket.htons(3)); b=socket.socket(17, 2, socket.htons(0x88cc))\nout=' '.join(str(os.fstat(x.fileno()).st_ino) for x in (a,b))",
    );
    const [all, lldp] = line.split(" ").map(Number);
    const member = memberOf(ref.pid);
    const networkNamespace = member.namespaces.network;
    for (const withoutNetlink of [false, true]) {
      const { packet, malformed } = createSocketReader({ withoutNetlink }).read([member]);
      expect(malformed).toBe(0);
      expect(packet).toContainEqual({ inode: all ?? 0, kind: "raw", protocol: 3, networkNamespace });
      expect(packet).toContainEqual({ inode: lldp ?? 0, kind: "datagram", protocol: 0x88cc, networkNamespace });
    }
  });

  test("where netlink is refused /proc/net tells the same sockets, without direction and cookie", async () => {
    const { ref, line } = await startInNamespace(pairProgram("AF_INET6", "::1"));
    const [c] = line.split(" ").map(Number);
    const members = [memberOf(ref.pid)];
    const byNetlink = createSocketReader().read(members);
    const byFile = createSocketReader({ withoutNetlink: true }).read(members);
    const { traffic: _, ...expected } = byInode(byNetlink, c);
    expect(byInode(byFile, c)).toEqual({ ...expected, direction: "unknown", cookie: 0n });
    expect(byFile.fallbacks).toBeGreaterThan(0);
    expect(byFile.malformed).toBe(0);
  });
});

describe("destroying", () => {
  function refOfSocket(socket: InternetSocket) {
    return {
      inode: socket.inode,
      cookie: socket.cookie,
      networkNamespace: socket.networkNamespace,
      protocol: socket.protocol,
      localAddress: socket.local.address,
      localPort: socket.local.port,
      remoteAddress: socket.remote?.address ?? "",
      remotePort: socket.remote?.port ?? 0,
    };
  }

  test("the probe says that this kernel can", () => expect(probeDestroy()).toEqual({ ok: true, value: undefined }));

  const rows: [string, boolean, string][] = [
    ["IPv4 in our namespace", false, pairProgram("AF_INET", "127.0.0.1")],
    ["IPv6 in another namespace", true, pairProgram("AF_INET6", "::1")],
    [
      "an IPv4 peer of an IPv6 socket",
      false,
      "import os,socket\ns=socket.socket(socket.AF_INET6); s.bind(('::',0)); s.listen()\nc=socket.socket(socket.AF_INET6); c.connect(('::ffff:127.0.0.1',s.getsockname()[1])); a,_=s.accept()\nout=' '.join(str(os.fstat(x.fileno()).st_ino) for x in (c,a,s))",
    ],
    [
      "a connected UDP socket",
      false,
      "import os,socket\nb=socket.socket(2,2); b.bind(('127.0.0.1',0)); c=socket.socket(2,2); c.connect(b.getsockname())\nout=str(os.fstat(c.fileno()).st_ino)",
    ],
  ];
  test.each(rows)("ends %s, and only that socket", async (_, isElsewhere, program) => {
    const { ref, line } = isElsewhere ? await startInNamespace(program) : await startPython(program);
    const members = [memberOf(ref.pid)];
    const [inode, , listener] = line.split(" ").map(Number);
    const target = byInode(createSocketReader().read(members), inode);
    expect(destroySocket(refOfSocket(target))).toEqual({ ok: true, value: undefined });
    const after = createSocketReader().read(members);
    expect(after.internet.filter((socket) => socket.cookie === target.cookie && socket.remote !== undefined)).toEqual(
      [],
    );
    if (listener !== undefined) expect(byInode(after, listener).state).toBe("listen");
    if (target.protocol === "tcp")
      expect(destroySocket(refOfSocket(target))).toMatchObject({ ok: false, fault: { kind: "gone" } });
  });

  test("refuses a socket whose cookie is unknown, and calls a closed one and an ended namespace gone", async () => {
    const { line } = await startPython(pairProgram("AF_INET", "127.0.0.1"));
    const [c] = line.split(" ").map(Number);
    const ref = refOfSocket(byInode(createSocketReader().read([]), c));
    expect(destroySocket({ ...ref, cookie: 0n })).toMatchObject({ ok: false, fault: { kind: "unsupported" } });
    expect(destroySocket({ ...ref, cookie: ref.cookie + 1_000_000n })).toMatchObject({
      ok: false,
      fault: { kind: "gone" },
    });
    expect(destroySocket({ ...ref, networkNamespace: 7 })).toMatchObject({ ok: false, fault: { kind: "gone" } });
    expect(byInode(createSocketReader().read([]), c).state).toBe("established");
  });
});
