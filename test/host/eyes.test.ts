// The eyes on files in a host: who opens hashes, keys and decoys is named, also who lived for a millisecond and after the
// file was replaced; who writes into another process; and everyday work about which nothing is said.
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { z } from "zod";
import { type FindingRow, findingRows } from "./findings.ts";
import { configure, copyRelease, lastWords, mustInstall, waitForKernel, waitUntil } from "./product.ts";
import { bootHost, type Host } from "./testhost.ts";

setDefaultTimeout(60_000);
const DECOY = "/srv/passwords.txt";
const RULES = "('credential_file_opened', 'decoy_opened', 'process_memory_written', 'process_memory_debugged')";
/** Opens one file, reads a line and is gone; the child of a fork does it where it is told to. */
const READER = `#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>
int main(int count, char **words) {
  char line[64];
  if (count > 2 && fork() > 0) return wait(0) < 0;
  int file = open(words[1], O_RDONLY);
  return read(file, line, sizeof line) < 0;
}
`;
/** Into a child, or into itself; who is written to must live until somebody has looked. */
const WRITER = `import ctypes, os, signal, sys, time
text = ctypes.create_string_buffer(b"before")
child = os.fork()
if child == 0:
    signal.pause()
victim = os.getpid() if "itself" in sys.argv else child
with open(f"/proc/{victim}/mem", "r+b", buffering=0) as memory:
    memory.seek(ctypes.addressof(text))
    memory.write(b"after")
time.sleep(0.5)
os.kill(child, signal.SIGKILL)
`;
const PACKAGE = `set -e
mkdir -p /opt/pkg/DEBIAN
printf 'Package: eyes-test\\nVersion: 1\\nArchitecture: all\\nMaintainer: x <x@example.org>\\nDescription: x\\n' >/opt/pkg/DEBIAN/control
printf '#!/bin/sh\\nset -e\\nuseradd --system eyes-test\\ngetent passwd eyes-test\\n' >/opt/pkg/DEBIAN/postinst
printf '#!/bin/sh\\nset -e\\nuserdel eyes-test\\n' >/opt/pkg/DEBIAN/postrm
chmod 755 /opt/pkg/DEBIAN/postinst /opt/pkg/DEBIAN/postrm
dpkg-deb -b /opt/pkg /opt/eyes-test.deb >/dev/null`;

const statusSchema = z.looseObject({
  sensor: z.looseObject({
    hooks: z.array(z.looseObject({ name: z.string(), answer: z.string() })),
    beat: z.looseObject({ lost: z.array(z.number()), filesWatched: z.number(), filesRefused: z.number() }).optional(),
    canary: z.looseObject({ seen: z.number(), missed: z.number() }),
  }),
});

describe("eyes on files", () => {
  let host: Host;
  beforeAll(async () => {
    host = await bootHost();
    await copyRelease(host);
    await host.writeFile("/opt/reader.c", READER);
    await host.writeFile("/opt/writer.py", WRITER);
    await host.must(`for name in plain replaced forked decoy; do gcc -o /opt/$name /opt/reader.c; done
      echo "alice:secret" | chpasswd; echo nothing >${DECOY}; ${PACKAGE}`);
    await mustInstall(host);
    await configure(host, { DECOYS: [DECOY] });
    await waitForKernel(host);
    await waitUntil("the files are watched", async () => ((await sensor()).beat?.filesWatched ?? 0) >= 5, 10_000);
  });
  afterAll(async () => {
    if (host !== undefined) await host.stop();
  });

  async function sensor(): Promise<z.infer<typeof statusSchema>["sensor"]> {
    return statusSchema.parse(JSON.parse(await host.must("algo-monitor status --json"))).sensor;
  }

  async function told(): Promise<readonly FindingRow[]> {
    return findingRows(host, `rule_name IN ${RULES}`);
  }

  /** Runs it as a unit of its own and waits for what is told of it. */
  async function actorOf(name: string, script: string, isIt: (row: FindingRow) => boolean): Promise<FindingRow> {
    await host.start(name, script);
    let found: FindingRow | undefined;
    const isTold = async (): Promise<boolean> => {
      found = (await told()).find(isIt);
      return found !== undefined;
    };
    try {
      await waitUntil(`${name} is told`, isTold, 10_000);
    } catch (thrown) {
      throw new Error(`${thrown}\n${JSON.stringify(await told(), null, 1)}\n${await lastWords(host)}`);
    }
    if (found === undefined) throw new Error("not told");
    return found;
  }

  test("everyday work is silent: logins, sudo, su, passwd, cron, packages, services", async () => {
    await host.must(`echo '@reboot alice id >/tmp/cron-ran' >/etc/cron.d/eyes; rm -f /run/crond.reboot; systemctl restart cron
      printf 'secret\\nnew-secret-1\\nnew-secret-1\\n' | su alice -s /bin/sh -c passwd
      printf 'alice ALL=(ALL) NOPASSWD: ALL\\n' >/etc/sudoers.d/alice
      su -l alice -c 'sudo id'; sudo -u alice id
      chage -l alice; usermod -c Alice alice; echo 'alice:secret' | chpasswd; useradd bob; userdel bob
      sshpass -p secret ssh -o StrictHostKeyChecking=no alice@127.0.0.1 id
      systemctl restart ssh; visudo -c; ssh-keygen -l -f /etc/ssh/ssh_host_ed25519_key
      apt-get install -y /opt/eyes-test.deb; apt-get purge -y eyes-test; systemctl start systemd-tmpfiles-clean
      systemd-run --quiet --wait --property=DynamicUser=yes true; systemd-run --quiet --wait --property=PAMName=login --uid=alice true
      getent passwd alice; id alice; grep -c . /etc/passwd`);
    await waitUntil("cron has run", async () => (await host.exec("test -s /tmp/cron-ran")).exitCode === 0, 10_000);
    await Bun.sleep(2_000);
    expect((await told()).map(({ title }) => title)).toEqual([]);
  });

  test("a program of somebody opens the hashes and is gone in a millisecond: it is named, with arguments and parent", async () => {
    const row = await actorOf("plain", "/opt/plain /etc/shadow; true", ({ executable }) => executable === "/opt/plain");
    expect(row).toMatchObject({ rule: "credential_file_opened", path: "/etc/shadow", level: "medium" });
    expect(JSON.parse(row.fields)).toMatchObject({
      "process.command_line": "/opt/plain /etc/shadow",
      "process.parent.name": "bash",
      "user.name": "root",
    });
  });

  test("also the child of a fork that executes nothing", async () => {
    const isIt = ({ executable }: FindingRow): boolean => executable === "/opt/forked";
    expect(await actorOf("forked", "/opt/forked /etc/gshadow x", isIt)).toMatchObject({ path: "/etc/gshadow" });
  });

  test("who opens it and then becomes a program that may", async () => {
    const isIt = ({ executable }: FindingRow): boolean => executable?.startsWith("/usr/bin/perl") === true;
    const script = `perl -e 'open(my $file, "<", "/etc/shadow"); select(undef, undef, undef, 0.1); exec "sudo", "true"'`;
    const row = await actorOf("becomes", script, isIt);
    expect(row).toMatchObject({ path: "/etc/shadow" });
    expect(JSON.parse(row.fields)).toMatchObject({ "process.command_line": expect.stringContaining("/etc/shadow") });
  });

  test("after the file was replaced by rename, and by hand with an installed program", async () => {
    await host.must("cp -p /etc/shadow /etc/nshadow && mv /etc/nshadow /etc/shadow && echo 'alice:secret' | chpasswd");
    const isIt = ({ executable }: FindingRow): boolean => executable === "/opt/replaced";
    expect(await actorOf("replaced", "/opt/replaced /etc/shadow", isIt)).toMatchObject({ path: "/etc/shadow" });
    await actorOf("viewer", "cat /etc/shadow >/dev/null", ({ executable }) => executable?.endsWith("/cat") === true);
  });

  test("a key of the host, and a hard link to the hashes", async () => {
    await host.must("ln /etc/shadow /etc/other-name");
    const isOf = (path: string) => (row: FindingRow) => row.path === path && row.executable?.endsWith("/head") === true;
    await actorOf("linked", "head -c1 /etc/other-name >/dev/null", isOf("/etc/shadow"));
    await actorOf("host-key", "head -c1 /etc/ssh/ssh_host_rsa_key >/dev/null", isOf("/etc/ssh/ssh_host_rsa_key"));
  });

  test("a decoy is an ALERT, whoever opens it; also one that is made later", async () => {
    await host.must(
      `rm ${DECOY}; sleep 0.5; echo again >${DECOY}; sleep 0.5; echo more >>${DECOY}; sleep 0.2; exec true`,
    );
    const row = await actorOf(
      "decoy",
      `exec su -l alice -c '/opt/decoy ${DECOY}'`,
      ({ rule, executable }) => rule === "decoy_opened" && executable === "/opt/decoy",
    );
    expect(row).toMatchObject({ executable: "/opt/decoy", path: DECOY, level: "high" });
    expect(JSON.parse(row.fields)).toMatchObject({ "user.name": "alice" });
    const maker = (await told()).find(({ rule, executable }) => rule === "decoy_opened" && executable !== "/opt/decoy");
    expect(maker?.executable, "who wrote it is told too, by what it was then").toMatch(/bash$/);
  });

  test("who writes into the memory of another process is an ALERT; into its own, nothing", async () => {
    await host.must("python3 /opt/writer.py itself");
    const row = await actorOf("writer", "python3 /opt/writer.py", ({ rule }) => rule === "process_memory_written");
    expect(row).toMatchObject({ level: "high", executable: expect.stringContaining("python3") });
    expect(row.path).toMatch(/^\/proc\/\d+\/mem$/);
    expect(JSON.parse(row.fields)).toMatchObject({ "process.command_line": "python3 /opt/writer.py" });
    expect((await told()).filter(({ rule }) => rule === "process_memory_written")).toHaveLength(1);
  });

  test("nothing was lost, the canary is seen, and doctor and status say so", async () => {
    await waitUntil("the canary is seen", async () => (await sensor()).canary.seen > 0, 20_000);
    const { hooks, beat, canary } = await sensor();
    const eyes = ["watched_files", "process_memory", "replaced_files"];
    expect(hooks.filter(({ name }) => eyes.includes(name)).map(({ answer }) => answer)).toEqual(["ok", "ok", "ok"]);
    expect([beat?.lost, beat?.filesRefused, canary.missed]).toEqual([[0, 0, 0, 0], 0, 0]);
    expect(await host.must("algo-monitor status")).toMatch(/\d+ files watched/);
    const doctor = (await host.must("algo-monitor doctor")).split("\n").find((line) => /kernel sensor/.test(line));
    expect(doctor).toMatch(/^ok/);
    expect(doctor).not.toMatch(/watched_files|process_memory|replaced_files/);
  });
});
