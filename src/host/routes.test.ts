// Gateways and resolvers, from files as kernels and resolvers write them.
import { expect, test } from "bun:test";
import { gatewaysOf4, gatewaysOf6, ownAddresses, resolversOf } from "./routes.ts";

const HEAD4 = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT";
const ZEROS = "0".repeat(32);

const GATEWAYS4: readonly [sentence: string, line: string, found: readonly string[]][] = [
  ["a default route", "eth0\t00000000\t0100A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0", ["192.168.0.1"]],
  ["a network on the link", "eth0\t0000A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0", []],
  ["a default route without a gateway", "ppp0\t00000000\t00000000\t0001\t0\t0\t0\t00000000\t0\t0\t0", []],
  ["half of the internet by a tunnel", "tun0\t00000000\t0100080A\t0003\t0\t0\t0\t00000080\t0\t0\t0", []],
  ["a line that was cut", "eth0\t00000000\t0100", []],
];

test.each(GATEWAYS4)("of IPv4, %s: %p", (_sentence, line, found) => {
  expect(gatewaysOf4(`${HEAD4}\n${line}\n`)).toEqual([...found]);
});

const GATEWAYS6: readonly [sentence: string, line: string, found: readonly string[]][] = [
  [
    "a default route by a router that announced itself",
    `${ZEROS} 00 ${ZEROS} 00 fe800000000000000000000000000001 00000400 00000001 00000000 00450003     eth0`,
    ["fe80::1"],
  ],
  ["a default route that refuses", `${ZEROS} 00 ${ZEROS} 00 ${ZEROS} ffffffff 00000001 00000000 00200200       lo`, []],
  [
    "a network on the link",
    `20010db8000000000000000000000000 40 ${ZEROS} 00 ${ZEROS} 00000100 00000001 00000000 00000001     eth0`,
    [],
  ],
  ["nothing", "", []],
];

test.each(GATEWAYS6)("of IPv6, %s: %p", (_sentence, line, found) => {
  expect(gatewaysOf6(`${line}\n`)).toEqual([...found]);
});

test("resolvers are those of lines that name one, without their interface", () => {
  const text =
    "# nameserver 192.0.2.1\nsearch example.org\nnameserver 192.0.2.53\nnameserver\tfe80::1%eth0\noptions edns0\n";
  expect(resolversOf(text)).toEqual(["192.0.2.53", "fe80::1"]);
});

test("loopback is an address of every host", () => {
  expect(ownAddresses()).toContain("127.0.0.1");
});
