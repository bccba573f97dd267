import { expect, test } from "bun:test";
import fc from "fast-check";
import { addressText } from "./addresses.ts";
import { directionOf, parseInetDiag, parseUnixDiag } from "./diag.ts";
import { buildMessage, parseAttributes, parseMessages } from "./netlink.ts";
import { parseProcNetInet, parseProcNetUnix } from "./procnet.ts";

const SEED = 20;

/** An inet_diag_msg as kernel 6.18 sent it for an established connection 127.0.0.1:44348 -> 127.0.0.1:48169. */
function inetMessage(
  changes: { readonly family?: number; readonly state?: number; readonly info?: Uint8Array } = {},
): Uint8Array {
  const body = new Uint8Array(72 + (changes.info === undefined ? 0 : 4 + changes.info.byteLength));
  const view = new DataView(body.buffer);
  view.setUint8(0, changes.family ?? 2);
  view.setUint8(1, changes.state ?? 1);
  view.setUint16(4, 44348, false);
  view.setUint16(6, 48169, false);
  body.set([127, 0, 0, 1], 8);
  body.set([127, 0, 0, 1], 24);
  view.setBigUint64(44, 0x1234n, true);
  view.setUint32(64, 1000, true);
  view.setUint32(68, 272299, true);
  if (changes.info !== undefined) {
    view.setUint16(72, 4 + changes.info.byteLength, true);
    view.setUint16(74, 2, true);
    body.set(changes.info, 76);
  }
  return body;
}

function tcpInfo(
  bytes: number,
  facts: { acked: number; sent: number; retransmitted: number; unacked: number },
): Uint8Array {
  const info = new Uint8Array(bytes);
  const view = new DataView(info.buffer);
  const put = (at: number, value: number) => {
    if (at + 8 <= bytes) view.setBigUint64(at, BigInt(value), true);
  };
  if (bytes >= 28) view.setUint32(24, facts.unacked, true);
  put(120, facts.acked);
  put(200, facts.sent);
  put(208, facts.retransmitted);
  return info;
}

test("an inet_diag message becomes a socket", () => {
  const info = tcpInfo(232, { acked: 11, sent: 15, retransmitted: 5, unacked: 0 });
  const row = parseInetDiag(inetMessage({ info }), "tcp", 77);
  expect(row?.socket).toEqual({
    inode: 272299,
    protocol: "tcp",
    state: "established",
    local: { address: "127.0.0.1", port: 44348 },
    remote: { address: "127.0.0.1", port: 48169 },
    direction: "connected",
    traffic: { bytesSent: 10, bytesReceived: 0, lastSentAgoMs: 0, lastReceivedAgoMs: 0 },
    networkNamespace: 77,
    uid: 1000,
    cookie: 0x1234n,
  });
  expect(row?.counters).toEqual({ bytesAcked: 11, bytesSent: 15, bytesRetransmitted: 5, unacked: 0 });
});

test("a kernel before 4.19, whose tcp_info is shorter, gives a socket without direction", () => {
  const info = tcpInfo(192, { acked: 1, sent: 0, retransmitted: 0, unacked: 0 });
  const row = parseInetDiag(inetMessage({ info }), "tcp", 1);
  expect(row?.socket.direction).toBe("unknown");
  expect(row?.socket.traffic).toBeUndefined();
});

test("messages that are cut or of another family are no sockets", () => {
  expect(parseInetDiag(inetMessage().subarray(0, 71), "tcp", 1)).toBeUndefined();
  expect(parseInetDiag(inetMessage({ family: 1 }), "tcp", 1)).toBeUndefined();
  expect(parseUnixDiag(new Uint8Array(15))).toBeUndefined();
});

const counters = { bytesAcked: 101, bytesSent: 100, bytesRetransmitted: 0, unacked: 0 };
const directions: [string, number, Parameters<typeof directionOf>[1], ReturnType<typeof directionOf>][] = [
  ["one byte more than sent was the SYN of whoever connected", 1, counters, "connected"],
  ["as many bytes as sent mean accepted", 1, { ...counters, bytesAcked: 100 }, "accepted"],
  ["retransmitted bytes are not payload", 1, { ...counters, bytesSent: 130, bytesRetransmitted: 30 }, "connected"],
  ["bytes in flight prove nothing", 1, { ...counters, unacked: 1 }, "unknown"],
  ["any other difference proves nothing", 1, { ...counters, bytesAcked: 102 }, "unknown"],
  ["a peer that closed its half changes nothing", 8, counters, "connected"],
  ["our own FIN counts a byte too: nothing is proved after it", 5, counters, "unknown"],
  ["a SYN under way is a connection we open", 2, undefined, "connected"],
  ["a SYN answered is a connection we accept", 3, undefined, "accepted"],
  ["no counters prove nothing", 1, undefined, "unknown"],
];
test.each(directions)("direction: %s", (_, state, facts, expected) => expect(directionOf(state, facts)).toBe(expected));

const addresses: [string, string, string][] = [
  ["IPv4", "7f000001", "127.0.0.1"],
  ["IPv4-mapped as IPv4", "00000000000000000000ffff0a4d0102", "10.77.1.2"],
  ["all zero", "00000000000000000000000000000000", "::"],
  ["loopback", "00000000000000000000000000000001", "::1"],
  ["the longest run of zeroes", "20010db8000000000001000000000001", "2001:db8::1:0:0:1"],
  ["a single zero is not shortened", "20010db8000000010001000100010001", "2001:db8:0:1:1:1:1:1"],
  ["zeroes at the end", "fe800000000000000000000000000000", "fe80::"],
  ["a wrong length as nothing", "0102", ""],
];
test.each(addresses)("addressText writes %s", (_, hex, text) =>
  expect(addressText(Buffer.from(hex, "hex"))).toBe(text),
);

test("a datagram is split into its messages, a cut one counted", () => {
  const one = buildMessage(20, 1, 5, new Uint8Array([1, 2, 3, 4]));
  const two = Buffer.concat([one, one]);
  expect(parseMessages(two)).toMatchObject({ malformed: 0, messages: [{ type: 20, sequence: 5 }, { type: 20 }] });
  expect(parseMessages(two.subarray(0, 30))).toMatchObject({ malformed: 1 });
  expect(parseMessages(two.subarray(0, 30)).messages).toHaveLength(1);
});

test("/proc/net/tcp and tcp6 lines become sockets, time-wait is left out, garbage is counted", () => {
  const text = [
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode",
    "   0: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 118083 1 0 100 0 0 10 0",
    "   1: 0100007F:AD3C 0100007F:BC29 01 00000000:00000000 00:00000000 00000000  1000        0 272299 1 0 20 4 0 10 -1",
    "   2: 0100007F:AD3C 0100007F:BC29 06 00000000:00000000 00:00000000 00000000     0        0 0 1 0",
    "   3: 0000000000000000FFFF00000100007F:0016 0000000000000000FFFF00000200007F:1F90 01 0:0 00:0 0 7 0 5 1",
    "   4: zz garbage",
  ].join("\n");
  const parsed = parseProcNetInet(new TextEncoder().encode(text), "tcp", 9, 100);
  expect(parsed.malformed).toBe(1);
  expect(parsed.sockets).toMatchObject([
    { inode: 118083, state: "listen", local: { address: "0.0.0.0", port: 22 }, networkNamespace: 9 },
    {
      inode: 272299,
      state: "established",
      remote: { address: "127.0.0.1", port: 48169 },
      direction: "unknown",
      uid: 1000,
    },
    { inode: 5, local: { address: "127.0.0.1", port: 22 }, remote: { address: "127.0.0.2", port: 8080 } },
  ]);
  expect(parsed.sockets[0]).not.toHaveProperty("remote");
  expect(parseProcNetInet(new TextEncoder().encode(text), "tcp", 9, 1)).toMatchObject({ cut: 2 });
});

test("/proc/net/unix lines become sockets, with spaces in a path kept", () => {
  const text =
    "Num       RefCount Protocol Flags    Type St Inode Path\n" +
    "ffff: 00000002 00000000 00010000 0001 01 18083 /run/a b\n0000000000000000: 00000003 00000000 00000000 0002 01    77 @abs\nffff: 00000003 00000000 00000000 0001 03 78\nnonsense\n";
  expect(parseProcNetUnix(new TextEncoder().encode(text), 10)).toEqual({
    malformed: 1,
    cut: 0,
    sockets: [
      { inode: 18083, peerInode: 0, listening: true, path: "/run/a b" },
      { inode: 77, peerInode: 0, listening: false, path: "@abs" },
      { inode: 78, peerInode: 0, listening: false, path: "" },
    ],
  });
});

test("no bytes make a parser throw, and every byte flip of a real message is survived", () => {
  const golden = inetMessage({ info: tcpInfo(232, { acked: 1, sent: 0, retransmitted: 0, unacked: 0 }) });
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), fc.nat(golden.byteLength - 1), fc.nat(255), (noise, at, value) => {
      const { messages } = parseMessages(noise);
      for (const message of messages) parseAttributes(message.body, 0);
      parseAttributes(noise, 3);
      parseInetDiag(noise, "udp", 1);
      parseUnixDiag(noise);
      parseProcNetInet(noise, "tcp", 1, 5);
      parseProcNetUnix(noise, 5);
      const flipped = golden.slice();
      flipped[at] = value;
      parseInetDiag(flipped, "tcp", 1);
      parseInetDiag(flipped.subarray(0, at), "tcp", 1);
    }),
    { seed: SEED, numRuns: 1000 },
  );
});
