// What the site's port and pattern lists say of new connections.
import { describe, expect, test } from "bun:test";
import { hostFixture } from "../../context/host.fixture.ts";
import { compileNetworkLists } from "../site/network_lists.ts";
import { createNewSockets } from "../site/new_sockets.ts";
import { createSiteNetworkDetector } from "./site_network.ts";

const LISTS = compileNetworkLists({
  TRUSTED_PORTS: { "22": "SSH", "53": "DNS", "80": "HTTP", "443": "HTTPS" },
  SUSPICIOUS_NETWORK_PATTERNS: ["^45\\.", ":8888$", ":4444$", "\\.ddns\\.net$", "^10\\.", "^192\\.168\\."],
});

function detector(lists = LISTS) {
  return createSiteNetworkDetector({ lists: () => lists, sockets: createNewSockets() });
}

const CURL = "pid 50 ppid 1 uid 1000 exe /usr/bin/curl\n  fd 3 rw socket:[1]";
const ROWS: readonly [sentence: string, host: string, expected: readonly string[]][] = [
  ["an address of a pattern", `${CURL}\ntcp 10.0.0.5:40000 -> 45.1.2.3:443 inode 1`, ["network_pattern ^45\\. public"]],
  [
    "a port of a pattern, and it is unlisted too",
    `${CURL}\ntcp 10.0.0.5:40000 -> 203.0.113.7:4444 inode 1`,
    ["network_pattern :4444$ public", "remote_port 4444 false"],
  ],
  [
    "a domain of a pattern, named in argv",
    `${CURL}\n  argv ["curl","https://x.ddns.net/"]\ntcp 10.0.0.5:40000 -> 203.0.113.7:443 inode 1`,
    ["network_pattern \\.ddns\\.net$ public x.ddns.net"],
  ],
  [
    "the question to the name server on the way is not the named host",
    `${CURL}\n  argv ["curl","https://x.ddns.net/"]\nudp 10.0.0.5:40000 -> 203.0.113.7:53 inode 1`,
    [],
  ],
  ["a LAN peer", `${CURL}\ntcp 10.0.0.5:40000 -> 192.168.1.9:22 inode 1`, ["network_pattern ^192\\.168\\. private"]],
  ["an unlisted port of the LAN", `${CURL}\ntcp 10.0.0.5:40000 -> 172.20.1.9:9200 inode 1`, []],
  ["a listed port", `${CURL}\ntcp 10.0.0.5:40000 -> 203.0.113.7:443 inode 1`, []],
  ["an unlisted port", `${CURL}\ntcp 10.0.0.5:40000 -> 203.0.113.7:9999 inode 1`, ["remote_port 9999 false"]],
  [
    "who opened it nobody knows, and nothing listens there",
    `${CURL}\ntcp 10.0.0.5:40000 -- 203.0.113.7:40999 inode 1`,
    ["remote_port 40999 false"],
  ],
  ["an accepted connection", `${CURL}\ntcp 10.0.0.5:80 <- 45.1.2.3:4444 inode 1`, []],
  [
    "the clock of the system, as a unit's main process",
    "unit chrony.service main 50\npid 50 ppid 1 uid 0 exe /usr/sbin/chronyd\n  fd 3 rw socket:[1]\nudp 10.0.0.5:40000 -> 203.0.113.7:123 inode 1",
    ["remote_port 123 true"],
  ],
  [
    "a worker of the same file is the unit's too",
    "unit mail.service main 50\npid 50 ppid 1 uid 0 exe /usr/sbin/maild\npid 51 ppid 50 uid 33 exe /usr/sbin/maild\n  fd 3 rw socket:[1]\ntcp 10.0.0.5:40000 -> 203.0.113.7:25 inode 1",
    ["remote_port 25 true"],
  ],
  [
    "a downloader below a web server is not",
    "unit apache2.service main 50\npid 50 ppid 1 uid 0 exe /usr/sbin/apache2\npid 51 ppid 50 uid 33 exe /usr/bin/curl\n  fd 3 rw socket:[1]\ntcp 10.0.0.5:40000 -> 203.0.113.7:8000 inode 1",
    ["remote_port 8000 false"],
  ],
  ["a socket of the kernel is nobody's", "tcp 10.0.0.5:40000 -> 45.1.2.3:2049 inode 7", []],
];

describe("a new connection:", () => {
  test.each(ROWS)("%s", (_sentence, host, expected) => {
    const one = detector();
    const events = [1, 2].flatMap(() => one.sweep(hostFixture(host).view));
    const told = events.map(({ logsource, fields }) =>
      logsource.category === "remote_port"
        ? `remote_port ${fields["destination.port"]} ${fields["process.unit_program"]}`
        : ["network_pattern", fields["pattern.text"], fields["peer.scope"], fields["destination.domain"] ?? ""]
            .join(" ")
            .trim(),
    );
    expect(told).toEqual([...expected]);
  });

  test("names process and socket, so that RULES may cut it", () => {
    const [event] = detector().sweep(hostFixture(`${CURL}\ntcp 10.0.0.5:40000 -> 45.1.2.3:443 inode 1`).view);
    expect(event?.subject?.actors).toEqual([{ pid: 50, startedAtTicks: 1_050 }]);
    expect(event?.subject?.sockets.map(({ remoteAddress, remotePort }) => [remoteAddress, remotePort])).toEqual([
      ["45.1.2.3", 443],
    ]);
  });
});

test("empty lists say nothing about ports and addresses", () => {
  const none = compileNetworkLists({ TRUSTED_PORTS: {}, SUSPICIOUS_NETWORK_PATTERNS: [] });
  expect(detector(none).sweep(hostFixture(`${CURL}\ntcp 10.0.0.5:40000 -> 45.1.2.3:4444 inode 1`).view)).toEqual([]);
});
