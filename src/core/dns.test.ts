// DNS messages as resolvers write them, cut, looped and hostile.
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type DnsMessage, parseDns } from "./dns.ts";

const label = (text: string) => Buffer.concat([Buffer.from([text.length]), Buffer.from(text)]);
const name = (text: string) => Buffer.concat([...text.split(".").map(label), Buffer.from([0])]);
const u16 = (value: number) => Buffer.from([value >> 8, value & 0xff]);
const header = (flags: number, questions: number, answers: number) =>
  Buffer.concat([0x1234, flags, questions, answers, 0, 0].map(u16));
const question = (text: string, type: number) => Buffer.concat([name(text), u16(type), u16(1)]);
const record = (owner: Buffer, type: number, data: Buffer) =>
  Buffer.concat([owner, u16(type), u16(1), Buffer.alloc(4), u16(data.length), data]);
const POINTER = Buffer.from([0xc0, 12]);
const IPV6 = Buffer.from("20010db8000000000000000000000007", "hex");

const ASKED = Buffer.concat([header(0x0100, 1, 0), question("C2.Example.org", 28)]);
const ANSWERED = Buffer.concat([
  header(0x8180, 1, 3),
  question("www.example.org", 1),
  record(POINTER, 5, name("edge.example.net")),
  record(name("edge.example.net"), 1, Buffer.from([203, 0, 113, 7])),
  record(POINTER, 28, IPV6),
]);

const MESSAGES: readonly [sentence: string, bytes: Uint8Array, parsed: DnsMessage | undefined][] = [
  ["a question", ASKED, { isAnswer: false, name: "c2.example.org", questionType: "AAAA", addresses: [] }],
  [
    "an answer by way of an alias",
    ANSWERED,
    { isAnswer: true, name: "www.example.org", questionType: "A", addresses: ["203.0.113.7", "2001:db8::7"] },
  ],
  [
    "an answer that is cut in its last record",
    ANSWERED.subarray(0, -1),
    { isAnswer: true, name: "www.example.org", questionType: "A", addresses: ["203.0.113.7"] },
  ],
  [
    "a type without a name",
    Buffer.concat([header(0, 1, 0), question("a.b", 65_280)]),
    { isAnswer: false, name: "a.b", questionType: "TYPE65280", addresses: [] },
  ],
  [
    "bytes that are no letters",
    Buffer.concat([header(0, 1, 0), label("\n\x1b[2J"), Buffer.from([0]), u16(16), u16(1)]),
    { isAnswer: false, name: "\\010\\027\\0912j", questionType: "TXT", addresses: [] },
  ],
  [
    "the root",
    Buffer.concat([header(0, 1, 0), Buffer.from([0]), u16(2), u16(1)]),
    { isAnswer: false, name: "", questionType: "NS", addresses: [] },
  ],
  ["a name that points at itself", Buffer.concat([header(0, 1, 0), POINTER, u16(1), u16(1)]), undefined],
  ["a label longer than the message", Buffer.concat([header(0, 1, 0), Buffer.from([60, 1, 2, 3, 4])]), undefined],
  ["two questions", Buffer.concat([header(0, 2, 0), question("a.b", 1), question("c.d", 1)]), undefined],
  ["an update", Buffer.concat([header(0x2800, 1, 0), question("a.b", 6)]), undefined],
  ["nothing", new Uint8Array(), undefined],
];

describe("a DNS message", () => {
  test.each(MESSAGES)("%s", (_sentence, bytes, parsed) => {
    expect(parseDns(bytes)).toEqual(parsed);
  });

  test("of any bytes throws nothing, and names no more than it may", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 600 }),
        fc.constantFrom(ASKED, ANSWERED),
        fc.nat(600),
        (noise, real, at) => {
          const mixed = Buffer.concat([real.subarray(0, at), noise, real.subarray(at)]);
          for (const bytes of [noise, mixed]) expect((parseDns(bytes)?.name ?? "").length).toBeLessThanOrEqual(4 * 256);
        },
      ),
      { seed: 11, numRuns: 2_000 },
    );
  });
});
