// Blocks of addresses in a host: a program of the host, one behind the host, a restart, their ends, and nothing left afterwards.
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { alerts, cli, copyRelease, HOME, mustInstall, RELEASE, status, waitForKernel, waitUntil } from "./product.ts";
import { bootHost, type Host } from "./testhost.ts";

setDefaultTimeout(120_000);
const PORT = 3307;
/** A network namespace behind the host, routed through it as a container is. */
const BEHIND = `set -e
sysctl -q -w net.ipv4.ip_forward=1
ip netns add behind && ip link add out type veth peer name in netns behind
ip address add 10.99.0.1/24 dev out && ip link set out up
ip -n behind address add 10.99.0.2/24 dev in && ip -n behind link set in up && ip -n behind link set lo up
ip -n behind route add default via 10.99.0.1`;

describe("blocks", () => {
  /** Connections and datagrams, as fast as one process can, for a second. */
  const storm = (address: string) => `import socket, time
end, tries = time.monotonic() + 1, 0
datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
while time.monotonic() < end:
  for kind in ("connect", "send"):
    try:
      if kind == "send": datagrams.sendto(b"x", ("${address}", 9))
      else:
        with socket.socket() as stream: stream.connect(("${address}", 9))
      raise SystemExit("let through")
    except PermissionError: tries += 1
print(tries)`;
  let host: Host;
  beforeAll(async () => {
    host = await bootHost();
    await copyRelease(host);
    await mustInstall(host);
    await waitForKernel(host);
    host.attacker.order({ do: "banner", port: PORT, banner: "220 ready" });
    // The other side is gateway and resolver of the host, and those are never blocked.
    await host.must(`ip route del default 2>/dev/null; : >/etc/resolv.conf; ${BEHIND}`);
    await waitUntil("the other side greets", async () => (await greeted()) === "220 ready", 20_000);
    // Both need a minute, and have it while the rest goes on.
    await host.must("echo '203.0.113.21 c2.example.test' >>/etc/hosts");
    await mustObey("block 203.0.113.9 --for 1m --reason short");
    await mustObey("block c2.example.test --for 1h --reason moves");
    await host.must("sed -i 's/^203.0.113.21 .*/203.0.113.22 c2.example.test/' /etc/hosts");
  });
  afterAll(async () => {
    if (host !== undefined) await host.stop();
  });

  test("a program of the host is refused at connect, one behind the host by the packet filter, and what stood is cut", async () => {
    await host.start("standing", `exec 3<>/dev/tcp/${host.attacker.address}/${PORT}; read -r line <&3; cat <&3`);
    await Bun.sleep(6_000); // seen by a scan
    const said = await cli(host, `block ${host.attacker.address} --for 10m --reason test --json`);
    const report = JSON.parse(said.stdout);
    expect([report.means, report.remarks, report.cut], said.stdout).toEqual([["packet-filter", "sensor"], [], 1]);
    expect(await greeted()).toBe("PermissionError");
    // Outside of the guarded cgroup, so only what is forwarded is left to see.
    expect((await host.must("ip netns exec behind python3 /opt/greeted.py")).trim()).toBe("ConnectionRefusedError");
    expect((await cli(host, "blocks")).stdout).toMatch(/3 blocks, [1-9]\d* packets? refused so far/);
    await waitUntil("the next scan tells who tried", async () => (await tried()).length > 0, 20_000);
    expect(await tried()).toEqual(["INFO"]);
  });

  test("whoever tries without end is refused each time, fills no ring, and is one alert", async () => {
    const { kernel: before } = await status(host);
    const attempts = Number(await inHost("storm", storm(host.attacker.address)));
    expect(attempts).toBeGreaterThan(1_000);
    // Eight a second of one process.
    const { kernel } = await status(host);
    expect(kernel.verdicts - before.verdicts).toBeGreaterThan(0);
    expect(kernel.verdicts - before.verdicts).toBeLessThanOrEqual(32);
    expect(kernel["blindWindows"]).toEqual(before["blindWindows"]);
    console.log(`${attempts} attempts in a second, ${kernel.verdicts - before.verdicts} told`);
    expect(await tried()).toEqual(["INFO"]);
  });

  test("it holds over a restart of the daemon", async () => {
    await host.must("systemctl restart algo-monitor");
    await waitForKernel(host);
    expect(await greeted()).toBe("PermissionError");
  });

  test("its end lets everybody through at once", async () => {
    expect((await cli(host, `unblock ${host.attacker.address}`)).stdout).toBe(
      `Reachable again: ${host.attacker.address}.\n`,
    );
    expect(await greeted()).toBe("220 ready");
    expect(await table()).not.toContain(host.attacker.address);
  });

  test("whoever logged in from there cannot be cut off by the own session", async () => {
    await host.must(`mkdir -p -m 700 /root/.ssh && rm -f /root/.ssh/id_ed25519* && ssh-keygen -q -t ed25519 -N '' -f /root/.ssh/id_ed25519
      cp /root/.ssh/id_ed25519.pub /root/.ssh/authorized_keys
      printf 'Host *\\n StrictHostKeyChecking no\\n UserKnownHostsFile /dev/null\\n LogLevel ERROR\\n' >/etc/ssh/ssh_config.d/test.conf
      printf 'PermitRootLogin yes\\n' >/etc/ssh/sshd_config.d/test.conf; systemctl restart ssh`);
    // A terminal of its own that hangs from pid 1, as tmux and screen have it.
    const apart = `setsid -f script -qc 'sleep 6; algo-monitor block ${host.attacker.address}' /dev/null </dev/null >/root/apart 2>&1`;
    const said = await host.attacker.exec(
      `ssh root@guarded "${apart}; sleep 6; algo-monitor block ${host.attacker.address}; sleep 3; cat /root/apart" 2>&1 || true`,
    );
    expect(said.stdout).toMatch(/not blocked: \S+ is (your own session|the other end of your own session)/);
    expect(said.stdout).toMatch(/not blocked: \S+ is where root is logged in from, which may be you/);
  });

  test("this host itself, its gateway and its resolvers are never blocked", async () => {
    await host.must("ip route replace default via 10.99.0.2; echo nameserver 192.0.2.53 >/etc/resolv.conf");
    const own = (await host.must("hostname -I")).trim().split(" ")[0] ?? "";
    for (const [target, says] of [
      ["10.99.0.2", "the default gateway"],
      ["192.0.2.53", "a resolver of names"],
      [own, "an address of this host itself"],
      ["0.0.0.0/0", "loopback"],
    ] as const) {
      const said = await cli(host, `block ${target}`);
      expect([said.exitCode, said.stderr], target).toEqual([expect.any(Number), expect.stringContaining(says)]);
      expect(said.exitCode).not.toBe(0);
    }
  });

  test("a domain takes its new addresses along within a minute, and keeps the old ones", async () => {
    await waitUntil("both are refused", async () => (await table()).includes("203.0.113.21-203.0.113.22"), 75_000);
  });

  test("a block ends by itself, on record", async () => {
    const isOver = async () => !(await cli(host, "blocks")).stdout.includes("203.0.113.9");
    await waitUntil("the minute is over", isOver, 75_000);
    expect(await table()).not.toContain("203.0.113.9");
    expect(await host.must("journalctl -u algo-monitor -o cat")).toContain(
      "the block of 203.0.113.9 (short, by root) is over: it is reachable again",
    );
    const trail = await inHost(
      "trail",
      `import sqlite3
trail = sqlite3.connect("file:${HOME}/algo-monitor.db?mode=ro", uri=True)
print(*trail.execute("select action || ' ' || detail from audit"), sep="\\n")`,
    );
    expect(trail).toContain("block 203.0.113.9 for 1 minutes: short");
    expect(trail).toContain("block-over 203.0.113.9: short, by root");
  });

  test("whoever uninstalls leaves no table behind", async () => {
    await mustObey("block 203.0.113.0/24 --for 1h");
    expect(await table()).toContain("203.0.113.0/24");
    await host.must(`${RELEASE}/uninstall --yes`);
    expect(await table()).toBe("");
  });

  async function mustObey(order: string): Promise<void> {
    const said = await cli(host, order);
    expect([said.exitCode, said.stderr], order).toEqual([0, ""]);
  }

  /** Severities of the alerts about who tried. */
  async function tried(): Promise<readonly string[]> {
    return (await alerts(host))
      .filter(({ rule }) => rule.name === "blocked_connection")
      .map(({ severity }) => severity);
  }

  async function table(): Promise<string> {
    return (await host.exec("nft list table inet algo_monitor")).stdout;
  }

  /** What somebody hears who connects, or the error's name. Inside the host's cgroup, as everything of the host. */
  async function greeted(): Promise<string> {
    const code = `import socket
try: print(socket.create_connection(("${host.attacker.address}", ${PORT}), 5).recv(100).decode().strip())
except Exception as fault: print(type(fault).__name__)`;
    return inHost("greeted", code);
  }

  async function inHost(name: string, code: string): Promise<string> {
    await host.writeFile(`/opt/${name}.py`, code);
    return (await host.must(`systemd-run --quiet --wait --pipe python3 /opt/${name}.py`)).trim();
  }
});
