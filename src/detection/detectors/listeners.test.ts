// New listeners: how far they reach and whether somebody stands for them.
import { describe, expect, test } from "bun:test";
import { hostFixture } from "../../context/host.fixture.ts";
import type { InternetSocket } from "../../core/socket.ts";
import type { HostView } from "../../core/view.ts";
import { compileNetworkLists } from "../site/network_lists.ts";
import { createNewSockets } from "../site/new_sockets.ts";
import { createListenersDetector } from "./listeners.ts";

const LISTS = compileNetworkLists({
  TRUSTED_PORTS: { "22": "SSH", "8080": "HTTP Alt" },
  SUSPICIOUS_NETWORK_PATTERNS: [],
});

function detector() {
  return createListenersDetector({ lists: () => LISTS, sockets: createNewSockets(), ephemeralPorts: [32_768, 60_999] });
}

/** scope, listed, verified, unit, fold */
const ROWS: readonly [sentence: string, host: string, expected: string][] = [
  [
    "sshd",
    "unit ssh.service main 50\npid 50 ppid 1 uid 0 exe /usr/sbin/sshd\n  fd 3 rw socket:[1]\ntcp listen 0.0.0.0:22 inode 1",
    "any listed verified unit 22",
  ],
  [
    "python's http.server on a listed port",
    'pid 50 ppid 1 uid 1000 exe /usr/bin/python3\n  argv ["python3","-m","http.server","8080"]\n  fd 3 rw socket:[1]\ntcp listen 0.0.0.0:8080 inode 1',
    "any listed unverified alone 8080",
  ],
  [
    "a service of the administrator whose script its own user may change",
    'unit app.service main 50\npid 50 ppid 1 uid 33 exe /usr/bin/node\n  argv ["node","/srv/app/server.js"]\n  fd 3 rw socket:[1]\ntcp listen [::]:3000 inode 1',
    "any unlisted unverified unit 3000",
  ],
  [
    "a relay tool is never verified",
    'pid 50 ppid 1 uid 0 exe /usr/bin/socat\n  argv ["socat","TCP-LISTEN:99","-"]\n  fd 3 rw socket:[1]\ntcp listen 0.0.0.0:99 inode 1',
    "any unlisted unverified alone 99",
  ],
  [
    "a verified program started by hand",
    "pid 50 ppid 1 uid 0 exe /usr/sbin/sshd\n  fd 3 rw socket:[1]\ntcp listen 203.0.113.5:2222 inode 1",
    "public unlisted verified alone 2222",
  ],
  [
    "docker's proxy below dockerd",
    "unit docker.service main 50\npid 50 ppid 1 uid 0 exe /usr/bin/dockerd\npid 51 ppid 50 uid 0 exe /usr/bin/docker-proxy\n  fd 3 rw socket:[1]\ntcp listen 0.0.0.0:5432 inode 1",
    "any unlisted verified unit 5432",
  ],
  [
    "the DHCP client that ifup left behind",
    "unit ifup@eth0.service main 0\npid 50 ppid 1 uid 0 exe /sbin/dhclient\n  fd 3 rw socket:[1]\nudp listen 0.0.0.0:68 inode 1",
    "any unlisted verified unit 68",
  ],
  [
    "a relay tool in a service without a main process",
    "unit x.service main 0\npid 50 ppid 1 uid 0 exe /usr/bin/ncat\n  fd 3 rw socket:[1]\ntcp listen 0.0.0.0:99 inode 1",
    "any unlisted unverified alone 99",
  ],
  [
    "systemd-run makes no service that somebody installed",
    "unit run-1.service main 50 transient\npid 50 ppid 1 uid 0 exe /home/a/x\n  fd 3 rw socket:[1]\ntcp listen 0.0.0.0:99 inode 1",
    "any unlisted unverified alone 99",
  ],
  [
    "a socket unit that pid 1 holds for its service",
    "pid 1 ppid 0 uid 0 cgroup /init.scope exe /usr/lib/systemd/systemd\n  fd 40 rw socket:[1]\nunit x.service main 50\npid 50 ppid 1 uid 0 exe /usr/sbin/xd\n  fd 3 rw socket:[1]\ntcp listen 0.0.0.0:99 inode 1",
    "any unlisted verified unit 99",
  ],
  [
    "loopback",
    "pid 50 ppid 1 uid 1000 exe /home/a/x\n  fd 3 rw socket:[1]\ntcp listen 127.0.0.1:3000 inode 1",
    "loopback unlisted unverified alone 3000",
  ],
  [
    "the LAN only",
    "pid 50 ppid 1 uid 1000 exe /home/a/x\n  fd 3 rw socket:[1]\ntcp listen 192.168.1.5:3000 inode 1",
    "private unlisted unverified alone 3000",
  ],
  [
    "a port of the kernel's choice",
    "pid 50 ppid 1 uid 1000 exe /home/a/x\n  fd 3 rw socket:[1]\ntcp listen [::]:40123 inode 1",
    "any unlisted unverified alone ephemeral",
  ],
  [
    "a container of the system's engine",
    `pid 50 ppid 1 uid 0 cgroup /system.slice/docker-${"a".repeat(64)}.scope mount 7 exe /app/server\n  fd 3 rw socket:[1]\ntcp listen 0.0.0.0:3000 inode 1`,
    "container unlisted unverified alone 3000",
  ],
  ["the kernel's own", "tcp listen 0.0.0.0:2049 inode 9", "nothing"],
];

describe("a listener:", () => {
  test.each(ROWS)("%s", (_sentence, host, expected) => {
    const one = detector();
    const events = [1, 2, 3, 4].flatMap(() => one.sweep(withDatagrams(hostFixture(host).view)));
    const told = events.map(({ fields }) =>
      [
        fields["listener.scope"],
        fields["listener.port_listed"] === true ? "listed" : "unlisted",
        fields["listener.owner_verified"] === true ? "verified" : "unverified",
        fields["listener.unit_main"] === true ? "unit" : "alone",
        fields["listener.fold"],
      ].join(" "),
    );
    expect(told).toEqual(expected === "nothing" ? [] : [expected]);
  });

  test("of many workers is one, and the main process's", () => {
    const workers = [52, 51, 50].map(
      (pid) => `pid ${pid} ppid ${pid === 50 ? 1 : 50} uid 0 exe /usr/sbin/nginx\n  fd 6 rw socket:[1]`,
    );
    const host = ["unit nginx.service main 50", ...workers, "tcp listen 0.0.0.0:80 inode 1"].join("\n");
    expect(
      detector()
        .sweep(hostFixture(host).view)
        .map((event) => event.process?.pid),
    ).toEqual([50]);
  });

  test("on UDP counts when it lasts, and not on a port of the kernel's choice", () => {
    const udp = (port: number) =>
      withDatagrams(
        hostFixture(`pid 50 ppid 1 uid 1000 exe /home/a/x\n  fd 3 rw socket:[1]\nudp listen 0.0.0.0:${port} inode 1`)
          .view,
      );
    const fixed = detector();
    expect([1, 2, 3, 4].map(() => fixed.sweep(udp(5353)).length)).toEqual([0, 0, 1, 0]);
    const chosen = detector();
    expect([1, 2, 3, 4].map(() => chosen.sweep(udp(40_000)).length)).toEqual([0, 0, 0, 0]);
  });

  test("in a network of its own reaches nobody by itself", () => {
    const { view } = hostFixture(
      "pid 50 ppid 1 uid 0 exe /home/a/x\n  fd 3 rw socket:[1]\ntcp listen 0.0.0.0:80 inode 1",
    );
    const [event] = detector().sweep(changed(view, (socket) => ({ ...socket, networkNamespace: 5 })));
    expect(event?.fields["listener.scope"]).toBe("container");
  });
});

/** The kernel calls a datagram socket that waits for anybody `bound`, where the fixture says `listen`. */
function withDatagrams(view: HostView): HostView {
  return changed(view, (socket) => (socket.protocol === "udp" ? { ...socket, state: "bound" } : socket));
}

function changed(view: HostView, change: (socket: InternetSocket) => InternetSocket): HostView {
  return { ...view, internetSockets: () => [...view.internetSockets()].map(change) };
}

test("a program that listens on hundreds of ports is told apart on the first of them and folded from then on", () => {
  const ports = Array.from({ length: 300 }, (_, index) => 2000 + index);
  const lines = ports.map((port, index) => `  fd ${index + 3} rw socket:[${port}]`);
  const sockets = ports.map((port) => `tcp listen 0.0.0.0:${port} inode ${port}`);
  const view = hostFixture(["pid 50 ppid 1 uid 1000 exe /home/a/x", ...lines, ...sockets].join("\n")).view;
  const folds = detector()
    .sweep(view)
    .map((draft) => draft.fields["listener.fold"]);
  expect(folds).toHaveLength(300);
  expect(new Set(folds).size).toBe(33);
  expect(folds.slice(0, 32)).toEqual(ports.slice(0, 32).map(String));
  expect(folds.at(-1)).toBe("many");
});
