// Innocent clients that keep a connection and run commands meanwhile: from files and as inline code.
import { type Innocent, unit } from "./row.ts";

const OPT = "/opt/innocent";
const REQUEST = "GET / HTTP/1.1\\r\\nHost: remote\\r\\n\\r\\n";

export const CLIENTS: readonly Innocent[] = [
  {
    name: "a python client keeps HTTP alive and runs commands",
    run: unit(`exec python3 ${OPT}/http_client.py remote 8080`, "alice"),
  },
  {
    name: "a python client of a database that greets first runs commands",
    run: unit(`exec python3 ${OPT}/database_client.py remote 3307`, "alice"),
  },
  {
    name: "a python client of redis runs commands",
    run: unit(`exec python3 ${OPT}/redis_client.py localhost 6379`, "alice"),
  },
  {
    name: "a python client of a remote redis runs commands",
    run: unit(`exec python3 ${OPT}/redis_client.py remote 3307`, "alice"),
  },
  {
    name: "inline python keeps HTTP alive and runs commands",
    run: unit(
      `exec python3 -c '
import http.client, subprocess
c = http.client.HTTPConnection("remote", 8080)
while True:
    c.request("GET", "/status")
    c.getresponse().read()
    subprocess.run("sleep 2; date | cat", shell=True)'`,
      "alice",
    ),
  },
  {
    name: "inline python asks redis and captures a command's output",
    run: unit(
      `exec python3 -c '
import socket, subprocess
c = socket.create_connection(("localhost", 6379))
while True:
    c.sendall(b"PING\\r\\n")
    c.recv(100)
    subprocess.check_output(["bash", "-c", "sleep 2; id"])'`,
      "alice",
    ),
  },
  {
    name: "inline node keeps HTTP alive and runs commands",
    run: unit(
      `exec node -e '
const http = require("http"), { exec } = require("child_process");
const agent = new http.Agent({ keepAlive: true });
const ask = () => http.get({ host: "remote", port: 8080, path: "/status", agent }, (r) => { r.resume(); r.on("end", () => exec("sleep 2; date | cat", ask)); });
ask();'`,
      "alice",
    ),
  },
  {
    name: "inline php keeps a connection and runs commands",
    run: unit(
      `exec php -r '$c = fsockopen("remote", 8080); while (true) { fwrite($c, "${REQUEST}"); fread($c, 4096); shell_exec("sleep 2; date | cat"); }'`,
      "alice",
    ),
  },
  {
    name: "inline ruby keeps HTTP alive and runs commands",
    run: unit(
      `exec ruby -rnet/http -e 'Net::HTTP.start("remote", 8080) { |http| loop { http.get("/status"); \`sleep 2; date | cat\` } }'`,
      "alice",
    ),
  },
  {
    name: "inline perl keeps a connection and runs commands",
    run: unit(
      `exec perl -MIO::Socket::INET -e '$c = IO::Socket::INET->new("remote:8080"); while (1) { print $c "${REQUEST}"; sysread $c, $b, 4096; system "sleep 2; date | cat"; }'`,
      "alice",
    ),
  },
  {
    name: "redis-cli watches a server from a script",
    run: unit("redis-cli -h localhost monitor | while read -r line; do :; done", "alice"),
  },
  {
    name: "node keeps HTTP alive and spawns a shell with pipes",
    run: unit(
      `cd ~ && cat >client.js <<'END'
const http = require("http"), { spawn } = require("child_process");
const agent = new http.Agent({ keepAlive: true });
const ask = () => http.get({ host: "remote", port: 8080, agent }, (r) => { r.resume(); r.on("end", () => spawn("bash", ["-c", "sleep 3; date"]).on("exit", ask)); });
ask();
END
exec node client.js`,
      "alice",
    ),
  },
];
