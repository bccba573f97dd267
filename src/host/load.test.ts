import { describe, expect, test } from "bun:test";
import { createLoad, parseCpuTicks, parseInterfaces, parseLocalMounts, parseMemoryUsed } from "./load.ts";

describe("the processors", () => {
  test("are idle while they wait for disks, and not while another guest has them", () => {
    expect(parseCpuTicks("cpu  100 10 50 700 40 5 5 90 20 3\ncpu0 1 1 1 1\n")).toEqual({ idle: 740, total: 1000 });
  });
  for (const text of ["", "cpu0 1 2 3 4\n", "cpu  1 x 3 4\n", "cpu  1 2\n"])
    test(`are not known from ${JSON.stringify(text)}`, () => expect(parseCpuTicks(text)).toBeUndefined());
});

describe("memory", () => {
  test("is used where a program could not get it", () => {
    expect(parseMemoryUsed("MemTotal:       1000 kB\nMemFree:   10 kB\nMemAvailable:    250 kB\n")).toBe(75);
  });
  test("is not known without MemAvailable", () => {
    expect(parseMemoryUsed("MemTotal:       1000 kB\nMemFree:   10 kB\n")).toBeUndefined();
  });
});

test("interfaces are read with their bytes, and lines that are none are not", () => {
  const text = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo: 63149314   12516    0    0    0     0          0         0 63149314   12516    0    0    0     0       0          0
eth0.7:12 1 0 0 0 0 0 0 34 1 0 0 0 0 0 0
 nonsense
`;
  expect(parseInterfaces(text)).toEqual([
    { name: "lo", receivedBytes: 63_149_314, sentBytes: 63_149_314 },
    { name: "eth0.7", receivedBytes: 12, sentBytes: 34 },
  ]);
});

describe("local filesystems", () => {
  const ROWS: readonly (readonly [string, string, readonly string[]])[] = [
    ["are on disks", "27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard", ["/"]],
    [
      "may have optional fields and blanks in their path",
      "36 1 8:1 / /mnt/a\\040b rw shared:7 master:1 - xfs /dev/sdb rw",
      ["/mnt/a b"],
    ],
    ["are not those of the network", "28 27 0:41 / /srv rw - nfs4 server:/srv rw", []],
    ["are not in user land", "29 27 0:42 / /mnt rw - fuse.sshfs a:/b rw", []],
    ["are not in memory", "30 27 0:43 / /tmp rw - tmpfs tmpfs rw", []],
    ["are not those of the machine around a container", "34 1 254:0 /a /run/host/incoming rw - ext4 /dev/vda rw", []],
    ["are not images that are always full", "31 27 7:1 / /snap/core/1 ro - squashfs /dev/loop1 ro", []],
    ["are not mounted read-only", "32 27 8:2 / /boot ro,relatime - ext4 /dev/sda2 rw", []],
    ["are not read-only as a whole", "33 27 8:3 / /boot rw,relatime - ext4 /dev/sda3 ro,errors=remount-ro", []],
    [
      "count once, at their shortest path",
      "40 27 8:4 /a /var/lib/bind rw - ext4 /dev/sda4 rw\n41 27 8:4 / /var rw - ext4 /dev/sda4 rw",
      ["/var"],
    ],
    [
      "with subvolumes count once",
      "50 1 0:50 /@ / rw - btrfs /dev/sda5 rw\n51 50 0:51 /@home /home rw - btrfs /dev/sda5 rw",
      ["/"],
    ],
  ];
  for (const [name, text, expected] of ROWS) test(name, () => expect(parseLocalMounts(text)).toEqual([...expected]));
});

test("this host tells all of it", () => {
  const load = createLoad();
  expect(load.cpu()?.total).toBeGreaterThan(0);
  expect(load.memoryUsedPercent()).toBeGreaterThan(0);
  expect(load.interfaces().map(({ name }) => name)).not.toContain("lo");
  for (const mount of load.localMounts()) expect(load.diskUsedPercent(mount)).toBeLessThanOrEqual(100);
  expect(load.diskUsedPercent("/no/such/place")).toBeUndefined();
});
