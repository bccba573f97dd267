// Who holds a socket that reads packets.
import { describe, expect, test } from "bun:test";
import { hostFixture } from "../../context/host.fixture.ts";
import { createPacketSocketDetector } from "./packet_socket.ts";

const SNIFFER = "pid 50 ppid 1 uid 0 exe /usr/bin/tcpdump\n  fd 3 rw socket:[7]\npacket raw 0x0003 inode 7";

describe("a process with a packet socket", () => {
  test("is stated with what it hears", () => {
    const [event] = createPacketSocketDetector().sweep(hostFixture(SNIFFER).view);
    expect(event).toMatchObject({
      action: "packet-socket-open",
      logsource: { category: "packet_socket" },
      fields: {
        "process.executable": "/usr/bin/tcpdump",
        "packet.kind": "raw",
        "packet.protocol": 3,
        "packet.hears_all": true,
      },
    });
  });

  test("is stated once however long it lasts and however many it has, and again when it runs another program", () => {
    const detector = createPacketSocketDetector();
    const two = `${SNIFFER.replace("\npacket", "\n  fd 4 rw socket:[8]\npacket")}\npacket datagram 0x0800 inode 8`;
    const sweep = (text: string) => detector.sweep(hostFixture(text).view).length;
    expect([sweep(two), sweep(two), sweep(SNIFFER), sweep(SNIFFER.replace("tcpdump", "python3"))]).toEqual([
      1, 0, 0, 1,
    ]);
  });

  test("one that only speaks a protocol does not hear all", () => {
    const [event] = createPacketSocketDetector().sweep(hostFixture(SNIFFER.replace("0x0003", "0x88cc")).view);
    expect(event?.fields).toMatchObject({ "packet.protocol": 0x88cc, "packet.hears_all": false });
  });

  test("one that only sends is stated again when it hears", () => {
    const detector = createPacketSocketDetector();
    const sweep = (text: string) => detector.sweep(hostFixture(text).view).length;
    const silent = SNIFFER.replace("0x0003", "0x0000");
    expect([sweep(silent), sweep(silent), sweep(SNIFFER), sweep(SNIFFER)]).toEqual([1, 0, 1, 0]);
  });

  test("of nobody is nobody's", () =>
    expect(createPacketSocketDetector().sweep(hostFixture("packet raw 0x0003 inode 9").view)).toEqual([]));
});
