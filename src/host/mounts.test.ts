import { expect, test } from "bun:test";
import { mountsOf, parseMounts, readMounts } from "./mounts.ts";

const TABLE = `
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
23 22 0:21 / /proc rw,nosuid - proc proc rw
24 22 8:2 / /boot rw - vfat /dev/sda2 rw
25 22 0:40 / /home rw shared:9 master:3 - nfs4 server:/home rw,vers=4.2
26 25 8:3 / /home/local rw - xfs /dev/sda3 rw
27 22 0:41 / /var/lib/docker/overlay2/x/merged rw - overlay overlay rw
28 22 0:42 / /mnt/with\\040space rw - fuse.sshfs user@host:/ rw
29 22 8:1 /srv /srv/bound rw - ext4 /dev/sda1 rw
garbage
`;

const rows: readonly [name: string, path: string, type: string | undefined][] = [
  ["the disk of the host is its own", "/etc/passwd", undefined],
  ["another disk is too", "/boot/grub", undefined],
  ["what lies on NFS is not", "/home/anna/.ssh", "nfs4"],
  ["nor is the mount point itself", "/home", "nfs4"],
  ["a disk mounted on top of it is", "/home/local/x", undefined],
  ["a name that begins alike is no part of it", "/homes", undefined],
  ["an overlay is not", "/var/lib/docker/overlay2/x/merged/etc", "overlay"],
  ["its neighbour is", "/var/lib/docker/overlay2/x/diff", undefined],
  ["blanks in mount points are understood", "/mnt/with space/x", "fuse.sshfs"],
  ["a bind mount of the own disk is own", "/srv/bound/x", undefined],
];

test.each([...rows])("%s", (_, path, type) => {
  expect(mountsOf(parseMounts(TABLE)).foreignAt(path)?.type).toBe(type);
});

test("the root of a container is its own though it is an overlay", () => {
  const mounts = mountsOf(
    parseMounts("1 0 0:99 / / rw - overlay overlay rw\n2 1 0:98 / /data rw - overlay overlay rw\n"),
  );
  expect(mounts.foreignAt("/etc/passwd")).toBeUndefined();
  expect(mounts.foreignAt("/data/x")?.type).toBe("overlay");
});

test("of two mounts on one point the later counts", () => {
  const mounts = mountsOf(
    parseMounts("1 0 8:1 / / rw - ext4 a rw\n2 1 0:5 / /m rw - nfs a rw\n3 2 8:3 / /m rw - xfs b rw"),
  );
  expect(mounts.foreignAt("/m/x")).toBeUndefined();
});

test("the table of this host is read: /proc is foreign, the root is not", () => {
  const mounts = readMounts();
  expect(mounts?.foreignAt("/proc/1")?.type).toBe("proc");
  expect(mounts?.foreignAt("/etc")).toBeUndefined();
});
