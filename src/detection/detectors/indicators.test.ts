// What the site's lists of indicators say of connections, command lines, executables and files.
import { describe, expect, test } from "bun:test";
import { hostFixture } from "../../context/host.fixture.ts";
import type { EventDraft } from "../../core/nouns.ts";
import type { FileIdentity } from "../../core/view.ts";
import { createIndicatorBuilder, type IndicatorSet, NO_INDICATORS } from "../site/indicators.ts";
import { createNewSockets } from "../site/new_sockets.ts";
import { createIndicatorsDetector, fileIndicatorDrafts, lookupIndicatorDrafts } from "./indicators.ts";

const DIGEST = "b".repeat(64);
const SET = setOf("203.0.113.0/24", "evil.example", DIGEST);
const CURL = "pid 50 ppid 1 uid 1000 exe /usr/bin/curl\n  fd 3 rw socket:[1]";

function setOf(...lines: readonly string[]): IndicatorSet {
  const builder = createIndicatorBuilder();
  builder.begin("/lists/bad.txt");
  for (const line of lines) builder.line(line);
  return builder.finish();
}

function detector(set: () => IndicatorSet = () => SET) {
  return createIndicatorsDetector({ sockets: createNewSockets(), indicators: set });
}

function told(event: EventDraft): string {
  const { fields } = event;
  const initiated = fields["network.initiated"];
  const accepted = initiated === false ? " accepted" : "";
  const way = initiated === true ? " opened" : accepted;
  return `${fields["indicator.type"]} ${fields["indicator.value"]} line ${fields["indicator.line"]}${way} ${event.process?.pid ?? "nobody"}`;
}

const ROWS: readonly [sentence: string, host: string, expected: readonly string[]][] = [
  [
    "an address that this host called",
    `${CURL}\ntcp 10.0.0.5:40000 -> 203.0.113.7:443 inode 1`,
    ["ip 203.0.113.0/24 line 1 opened 50"],
  ],
  [
    "an address that called this host",
    `${CURL}\ntcp 10.0.0.5:80 <- 203.0.113.7:5000 inode 1`,
    ["ip 203.0.113.0/24 line 1 accepted 50"],
  ],
  [
    "a connection that no process holds",
    "tcp 10.0.0.5:40000 -> 203.0.113.7:443 inode 1",
    ["ip 203.0.113.0/24 line 1 opened nobody"],
  ],
  ["another address", `${CURL}\ntcp 10.0.0.5:40000 -> 198.51.100.7:443 inode 1`, []],
  [
    "a domain in argv",
    'pid 50 ppid 1 uid 1000 exe /usr/bin/dig\n  argv ["dig","www.evil.example"]',
    ["domain evil.example line 2 50"],
  ],
  [
    "a domain in argv and the connection it leads to",
    `${CURL}\n  argv ["curl","https://evil.example/x"]\ntcp 10.0.0.5:40000 -> 198.51.100.7:443 inode 1`,
    ["domain evil.example line 2 opened 50", "domain evil.example line 2 50"],
  ],
  [
    "an address in a URL",
    'pid 50 ppid 1 uid 1000 exe /usr/bin/curl\n  argv ["curl","http://203.0.113.9/x"]',
    ["ip 203.0.113.0/24 line 1 50"],
  ],
  [
    "a bare address, as somebody who blocks it writes it",
    'pid 50 ppid 1 uid 0 exe /usr/sbin/nft\n  argv ["nft","add","element","203.0.113.9"]',
    [],
  ],
  ["an executable", "pid 50 ppid 1 uid 1000 exe /home/a/miner", [`sha256 ${DIGEST} line 3 50`]],
];

describe("named by a list:", () => {
  const identities = new Map<string, FileIdentity>([["/home/a/miner", { sha256: DIGEST, packageState: "none" }]]);
  test.each(ROWS)("%s", (_sentence, host, expected) => {
    const one = detector();
    const events = [1, 2, 3].flatMap(() => one.sweep(hostFixture(host, { identities }).view));
    expect(events.map(told)).toEqual([...expected]);
  });

  test("names list and line in every event", () => {
    const [event] = detector().sweep(hostFixture(`${CURL}\ntcp 10.0.0.5:40000 -> 203.0.113.7:443 inode 1`).view);
    expect(event?.fields["indicator.list"]).toBe("/lists/bad.txt");
    expect(event?.fields["peer.scope"]).toBe("public");
  });
});

test("what stood before the list came is told when it comes, once", () => {
  let set = NO_INDICATORS;
  const one = detector(() => set);
  const sweep = () => one.sweep(hostFixture(`${CURL}\ntcp 10.0.0.5:40000 -> 203.0.113.7:443 inode 1`).view).map(told);
  expect([sweep(), sweep()]).toEqual([[], []]);
  set = SET;
  expect([sweep(), sweep()]).toEqual([["ip 203.0.113.0/24 line 1 opened 50"], []]);
});

test("a digest that comes late is waited for, and not for ever", () => {
  const host = "pid 50 ppid 1 uid 1000 exe /home/a/miner";
  const known = new Map<string, FileIdentity>([["/home/a/miner", { sha256: DIGEST, packageState: "none" }]]);
  const late = detector();
  const first = [1, 2, 3].flatMap(() => late.sweep(hostFixture(host).view));
  expect([first.length, late.sweep(hostFixture(host, { identities: known }).view).length]).toEqual([0, 1]);
  const never = detector();
  for (let sweep = 0; sweep < 8; sweep++) never.sweep(hostFixture(host).view);
  expect(never.sweep(hostFixture(host, { identities: known }).view)).toEqual([]);
});

test("a listed visitor is told once an hour, however many pages he asks for", () => {
  const one = detector();
  const visit = (inode: number, atMs: number) => {
    const text = `pid 50 ppid 1 uid 33 exe /usr/sbin/nginx\n  fd 3 rw socket:[${inode}]\ntcp 10.0.0.5:80 <- 203.0.113.7:5000 inode ${inode}`;
    return one.sweep(hostFixture(text, { atMs }).view).length;
  };
  expect([visit(1, 1_000), visit(2, 6_000), visit(3, 11_000), visit(4, 3_700_000)]).toEqual([1, 0, 0, 1]);
});

const FILES: readonly [
  sentence: string,
  category: string,
  fields: EventDraft["fields"],
  expected: readonly string[],
][] = [
  [
    "a changed file with a listed digest",
    "file_change",
    { "file.path": "/usr/bin/x", "file.hash.sha256": DIGEST },
    [`sha256 ${DIGEST} line 3 nobody`],
  ],
  [
    "a new file with a listed digest",
    "file_event",
    { "file.path": "/usr/bin/x", "file.hash.sha256": DIGEST },
    [`sha256 ${DIGEST} line 3 nobody`],
  ],
  ["a removed file", "file_delete", { "file.path": "/usr/bin/x", "file.hash.sha256": DIGEST }, []],
  ["another digest", "file_change", { "file.path": "/usr/bin/x", "file.hash.sha256": "c".repeat(64) }, []],
  ["a file without a digest", "file_change", { "file.path": "/usr/bin/x" }, []],
];

test.each(FILES)("%s", (_sentence, category, fields, expected) => {
  const draft: EventDraft = { action: "x", logsource: { product: "linux", category }, fields };
  expect(fileIndicatorDrafts(draft, SET).map(told)).toEqual([...expected]);
});

const LOOKUPS: readonly [sentence: string, name: string, expected: readonly string[]][] = [
  ["a listed name", "evil.example", ["domain evil.example line 2 50"]],
  ["a name below it", "c2.evil.example", ["domain evil.example line 2 50"]],
  ["another name", "good.example", []],
  ["a name that only ends alike", "notevil.example", []],
];

test.each(LOOKUPS)("a question for %s", (_sentence, name, expected) => {
  const draft: EventDraft = {
    action: "name-asked",
    logsource: { product: "linux", category: "dns_query" },
    fields: { "dns.question.name": name },
    process: { pid: 50, startedAtTicks: 1 },
  };
  expect(lookupIndicatorDrafts(draft, SET).map(told)).toEqual([...expected]);
});

test("a connection to the address of a listed name is one to that name", () => {
  const host = `${CURL}\ntcp 10.0.0.5:40000 -> 198.51.100.7:443 inode 1`;
  const { view } = hostFixture(host, { names: new Map([["198.51.100.7", "c2.evil.example"]]) });
  expect(detector().sweep(view).map(told)).toEqual(["domain evil.example line 2 opened 50"]);
});
