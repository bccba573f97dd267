// Who can be at an address, and numbers as text.
import { describe, expect, test } from "bun:test";
import { addressText, parseAddress, type Scope, scopeOf } from "./address.ts";

const SCOPES: readonly [text: string, scope: Scope][] = [
  ["8.8.8.8", "public"],
  ["203.0.113.7", "public"],
  ["2001:db8::1", "public"],
  ["2606:4700::1111", "public"],
  ["10.0.0.1", "private"],
  ["172.16.0.1", "private"],
  ["172.32.0.1", "public"],
  ["192.168.1.1", "private"],
  ["100.64.0.1", "private"],
  ["100.128.0.1", "public"],
  ["fd00::1", "private"],
  ["127.0.0.1", "loopback"],
  ["127.255.0.9", "loopback"],
  ["::1", "loopback"],
  ["::ffff:127.0.0.1", "loopback"],
  ["::ffff:192.168.0.1", "private"],
  ["64:ff9b::a00:1", "private"],
  ["64:ff9b::808:808", "public"],
  ["169.254.1.1", "link-local"],
  ["fe80::1%eth0", "link-local"],
  ["224.0.0.251", "multicast"],
  ["ff02::fb", "multicast"],
  ["0.0.0.0", "reserved"],
  ["::", "reserved"],
  ["255.255.255.255", "reserved"],
  ["not an address", "reserved"],
];

describe("an address", () => {
  test.each(SCOPES)("%s is %s", (text, scope) => {
    expect(scopeOf(text)).toBe(scope);
  });
});

test.each([
  ["192.0.2.0", "192.0.2.0"],
  ["2001:db8:0:0:0:0:0:0", "2001:db8::"],
  ["2001:0db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
  ["::", "::"],
])("%s is written %s", (text, written) => {
  const address = parseAddress(text);
  expect(address === undefined ? "" : addressText(address)).toBe(written);
});
