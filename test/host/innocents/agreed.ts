// Clients without a file of their own that agree on TLS or wait for a word, and start programs before they say anything.
import { type Innocent, unit } from "./row.ts";

const PYTHON = `import socket, ssl, subprocess, time
def agree():
    c = ssl.create_default_context(); c.check_hostname = False; c.verify_mode = ssl.CERT_NONE
    return c.wrap_socket(socket.create_connection(("remote", 8443)))
`;
const ASK = 'b"GET / HTTP/1.1\\r\\nHost: remote\\r\\n\\r\\n"';

/** Sentences that begin like commands. */
export const GREETINGS: readonly { readonly port: number; readonly says: string }[] = [
  { port: 3310, says: "echo server ready" },
  { port: 3311, says: "for help, type 'help' and read the manual" },
  { port: 3312, says: "export of goods, type of service: none" },
];

export const AGREED: readonly Innocent[] = [
  {
    name: "inline python reads a certificate through openssl while it is connected",
    run: unit(
      `exec python3 -c '${PYTHON}
while True:
    with agree() as s:
        pem = ssl.DER_cert_to_PEM_cert(s.getpeercert(True))
        subprocess.check_output(["openssl", "x509", "-noout", "-enddate"], input=pem, text=True)
        subprocess.run(["date"], stdout=subprocess.DEVNULL)
    time.sleep(1)'`,
      "alice",
    ),
  },
  {
    name: "inline python keeps TLS alive and captures what programs print",
    run: unit(
      `exec python3 -c '${PYTHON}
s = agree()
while True:
    s.sendall(${ASK})
    s.recv(4096)
    subprocess.getoutput("date | cat")
    time.sleep(1)'`,
      "alice",
    ),
  },
  {
    name: "inline ruby keeps TLS alive and captures what programs print",
    run: unit(
      `exec ruby -rnet/http -e 'Net::HTTP.start("remote", 8443, use_ssl: true, verify_mode: 0) { |http| loop { http.get("/"); \`date | cat\`; sleep 1 } }'`,
      "alice",
    ),
  },
  {
    name: "inline node keeps TLS alive and captures what programs print",
    run: unit(
      `exec node -e '
const https = require("https"), { exec } = require("child_process");
const agent = new https.Agent({ keepAlive: true, rejectUnauthorized: false });
const ask = () => https.get({ host: "remote", port: 8443, path: "/", agent }, (r) => { r.resume(); r.on("end", () => exec("date | cat", () => setTimeout(ask, 1000))); });
ask();'`,
      "alice",
    ),
  },
  {
    name: "inline php keeps TLS alive and captures what programs print",
    run: unit(
      `exec php -r '$o = stream_context_create(["ssl" => ["verify_peer" => false, "verify_peer_name" => false]]); $c = stream_socket_client("ssl://remote:8443", $e, $t, 5, 4, $o); while (true) { fwrite($c, "GET / HTTP/1.1\\r\\nHost: remote\\r\\n\\r\\n"); fread($c, 4096); shell_exec("date | cat"); sleep(1); }'`,
      "alice",
    ),
  },
  {
    name: "a listener of a feed hands each line to a loop of the shell",
    run: unit(
      'nc remote 3309 | while read -r line; do test -n "$line" && date | cat >/dev/null; done; sleep 60',
      "alice",
    ),
  },
  {
    name: "bash reads a feed that speaks of echoes and prints",
    run: unit(
      "exec 3<>/dev/tcp/remote/3309; while read -r line <&3; do date | cat >/dev/null; done; sleep 60",
      "alice",
    ),
  },
  {
    name: "inline python reads a feed and runs a program for each line",
    run: unit(
      `exec python3 -c 'import socket, subprocess, time
for line in socket.create_connection(("remote", 3309)).makefile():
    subprocess.check_output(["date"])
time.sleep(60)'`,
      "alice",
    ),
    told: "inline_client_with_children",
  },
  ...GREETINGS.map(
    ({ port, says }): Innocent => ({
      name: `bash waits for a server that greets with ${JSON.stringify(says)}`,
      run: unit(
        `exec 3<>/dev/tcp/remote/${port}; while read -r line <&3; do date | cat >/dev/null; done; sleep 60`,
        "alice",
      ),
    }),
  ),
  ...GREETINGS.map(
    ({ port, says }): Innocent => ({
      name: `netcat hands on what a server says that greets with ${JSON.stringify(says)}`,
      run: unit(`nc remote ${port} | while read -r line; do date | cat >/dev/null; done; sleep 60`, "alice"),
    }),
  ),
];
