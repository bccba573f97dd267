// Blocks of addresses in a host: a program of the host, one behind the host, a restart, an end, and nothing left afterwards.
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { alerts, cli, copyRelease, mustInstall, RELEASE, waitForKernel, waitUntil } from "./product.ts";
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
    const told = (await alerts(host)).filter((alert) => alert.rule.name === "blocked_connection");
    expect(told.map((alert) => alert.severity)).toEqual(["WARNING"]);
    expect((await cli(host, "blocks")).stdout).toMatch(/test\s+1 block, \d+ packets refused so far/);
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
    expect((await host.exec("nft list table inet algo_monitor")).exitCode).not.toBe(0);
  });

  test("whoever logged in from there cannot be cut off by the own session", async () => {
    await host.must(`mkdir -p -m 700 /root/.ssh && rm -f /root/.ssh/id_ed25519* && ssh-keygen -q -t ed25519 -N '' -f /root/.ssh/id_ed25519
      cp /root/.ssh/id_ed25519.pub /root/.ssh/authorized_keys
      printf 'Host *\\n StrictHostKeyChecking no\\n UserKnownHostsFile /dev/null\\n LogLevel ERROR\\n' >/etc/ssh/ssh_config.d/test.conf
      printf 'PermitRootLogin yes\\n' >/etc/ssh/sshd_config.d/test.conf; systemctl restart ssh`);
    const said = await host.attacker.exec(
      `ssh root@guarded "sleep 6; algo-monitor block ${host.attacker.address}" 2>&1 || true`,
    );
    expect(said.stdout).toMatch(/not blocked: \S+ is (your own session|the other end of your own session)/);
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

  test("whoever uninstalls leaves no table behind", async () => {
    await cli(host, "block 203.0.113.0/24 --for 1h");
    await host.must("nft list table inet algo_monitor");
    await host.must(`${RELEASE}/uninstall --yes`);
    expect((await host.exec("nft list table inet algo_monitor")).exitCode).not.toBe(0);
  });

  /** What somebody hears who connects, or the error's name. Inside the host's cgroup, as everything of the host. */
  async function greeted(): Promise<string> {
    const code = `import socket
try: print(socket.create_connection(("${host.attacker.address}", ${PORT}), 5).recv(100).decode().strip())
except Exception as fault: print(type(fault).__name__)`;
    await host.writeFile("/opt/greeted.py", code);
    return (await host.must(`systemd-run --quiet --wait --pipe python3 /opt/greeted.py`)).trim();
  }
});
