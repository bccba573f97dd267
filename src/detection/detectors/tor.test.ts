// Signs of Tor, and what only looks like it.
import { describe, expect, test } from "bun:test";
import { hostFixture } from "../../context/host.fixture.ts";
import { createNewSockets } from "../site/new_sockets.ts";
import { createTorDetector, isOnion } from "./tor.ts";

const ONION = `${"a".repeat(55)}d.onion`;
const CURL = "pid 50 ppid 1 uid 1000 exe /usr/bin/curl\n  fd 3 rw socket:[1]";
const TOR = "pid 60 ppid 1 uid 33 exe /usr/bin/tor\n  fd 6 rw socket:[2]\ntcp listen 127.0.0.1:9050 inode 2";

const ROWS: readonly [sentence: string, host: string, expected: readonly string[]][] = [
  ["tor serves SOCKS", TOR, ["service 60"]],
  [
    "a program uses tor's SOCKS port",
    `${CURL}\n${TOR}\ntcp 127.0.0.1:40000 -> 127.0.0.1:9050 inode 1`,
    ["socks 50", "service 60"],
  ],
  ["nobody was seen to listen there", `${CURL}\ntcp 127.0.0.1:40000 -> 127.0.0.1:9150 inode 1`, ["socks 50"]],
  [
    "a verified program that is not tor listens there",
    `${CURL}\npid 61 ppid 1 uid 0 exe /usr/sbin/exporter\n  fd 6 rw socket:[2]\ntcp listen 127.0.0.1:9050 inode 2\ntcp 127.0.0.1:40000 -> 127.0.0.1:9050 inode 1`,
    [],
  ],
  [
    "a program of nobody listens there",
    `${CURL}\npid 61 ppid 1 uid 1000 exe /home/a/t\n  fd 6 rw socket:[2]\ntcp listen 127.0.0.1:9050 inode 2\ntcp 127.0.0.1:40000 -> 127.0.0.1:9050 inode 1`,
    ["socks 50"],
  ],
  ["a relay of the consensus", `${CURL}\ntcp 10.0.0.5:40000 -> 203.0.113.7:443 inode 1`, ["relay 50"]],
  ["another port of that address", `${CURL}\ntcp 10.0.0.5:40000 -> 203.0.113.7:80 inode 1`, []],
  [
    "tor itself goes to its relays",
    "pid 60 ppid 1 uid 33 exe /usr/bin/tor\n  fd 3 rw socket:[1]\ntcp 10.0.0.5:40000 -> 203.0.113.7:443 inode 1",
    [],
  ],
  [
    "what only calls itself tor goes to relays",
    "pid 60 ppid 1 uid 1000 name tor exe /home/a/x\n  fd 3 rw socket:[1]\ntcp 10.0.0.5:40000 -> 203.0.113.7:443 inode 1",
    ["relay 60"],
  ],
  ["a customary port alone", `${CURL}\ntcp 10.0.0.5:40000 -> 203.0.113.9:9001 inode 1`, ["port 50"]],
  ["a customary port of the LAN", `${CURL}\ntcp 10.0.0.5:40000 -> 192.168.0.9:9001 inode 1`, []],
  ["somebody comes to our port 9001", `${CURL}\ntcp 10.0.0.5:9001 <- 203.0.113.9:9001 inode 1`, []],
  ["an onion in argv", `pid 50 ppid 1 uid 1000 exe /usr/bin/curl\n  argv ["curl","http://${ONION}/"]`, ["onion 50"]],
  [
    "the word onion in argv",
    'pid 50 ppid 1 uid 1000 exe /usr/bin/vim\n  argv ["vim","soup.onion.txt","red.onion"]',
    [],
  ],
];

describe("Tor:", () => {
  test.each(ROWS)("%s", (_sentence, host, expected) => {
    const isRelay = ({ address, port }: { address: string; port: number }) => address === "203.0.113.7" && port === 443;
    const detector = createTorDetector({ sockets: createNewSockets(), isRelay });
    const events = [1, 2].flatMap(() => detector.sweep(hostFixture(host).view));
    expect(events.map(({ fields, process }) => `${fields["tor.kind"]} ${process?.pid}`)).toEqual([...expected]);
  });
});

test.each([
  [ONION, true],
  [`www.${ONION}`, true],
  ["expyuzz4wqqyqhjn.onion", true],
  [`${"a".repeat(56)}.onion`, false],
  ["red.onion", false],
  [`${ONION}.example`, false],
])("%s is a hidden service: %p", (host, expected) => {
  expect(isOnion(host)).toBe(expected);
});
