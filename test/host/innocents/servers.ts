// Innocent servers that run commands, and services whose input and output are a connection by design.
import { type Innocent, service, unit } from "./row.ts";

const OPT = "/opt/innocent";

export const SERVERS: readonly Innocent[] = [
  {
    name: "a python web server runs a command per request",
    run: service(`ExecStart=/usr/bin/python3 ${OPT}/command_server.py 9301`, "User=alice"),
    traffic: requests(9301),
  },
  {
    name: "a php web server runs a command per request",
    run: service(`ExecStart=/usr/bin/php -S 0.0.0.0:9302 ${OPT}/command_server.php`, "User=alice"),
    traffic: requests(9302),
  },
  {
    name: "a node web server runs a command per request",
    run: service(`ExecStart=/usr/bin/node ${OPT}/command_server.js 9303`, "User=alice"),
    traffic: requests(9303),
  },
  {
    name: "a ruby web server runs a command per request",
    run: service(`ExecStart=/usr/bin/ruby ${OPT}/command_server.rb 9304`, "User=alice"),
    traffic: requests(9304),
  },
  {
    name: "a CGI server hands the connection to a shell script",
    run: service(`ExecStart=/usr/bin/python3 ${OPT}/cgi_server.py 9305 ${OPT}/cgi.sh`),
    traffic: requests(9305),
  },
  {
    name: "a developer's python server runs commands from a shell",
    run: unit(`cd ~ && cp ${OPT}/command_server.py . && python3 command_server.py 9306 & wait`, "alice"),
    traffic: requests(9306),
  },
  {
    name: "nginx and php-fpm run a command per request",
    setup: `
      mkdir -p /var/www/inn && cp ${OPT}/command_server.php /var/www/inn/index.php
      printf 'server { listen 9307; root /var/www/inn; location / { include fastcgi_params; fastcgi_param SCRIPT_FILENAME /var/www/inn/index.php; fastcgi_pass unix:/run/php/php8.2-fpm.sock; } }' >/etc/nginx/conf.d/inn.conf
      systemctl start php8.2-fpm nginx`,
    run: { as: "setup" },
    traffic: requests(9307),
    alive: "curl -fsS --max-time 20 http://localhost:9307/ | grep -q load",
    cleanup: "systemctl stop nginx php8.2-fpm",
  },
  {
    name: "systemd starts a shell service per connection",
    setup: `
      printf '[Socket]\\nListenStream=9310\\nAccept=yes\\n' >/etc/systemd/system/inn-line.socket
      printf '[Service]\\nExecStart=/bin/bash ${OPT}/line_service.sh\\nStandardInput=socket\\nStandardOutput=socket\\n' >/etc/systemd/system/inn-line@.service
      systemctl daemon-reload && systemctl start inn-line.socket`,
    run: { as: "setup" },
    traffic: "(while sleep 1; do echo hello; done) | nc guarded 9310",
    alive: "systemctl list-units --no-legend 'inn-line@*' | grep -q running",
    cleanup: "systemctl stop inn-line.socket 'inn-line@*'",
  },
  {
    name: "xinetd starts a shell service per connection",
    setup: `
      printf 'service inn\\n{\\n type = UNLISTED\\n port = 9311\\n socket_type = stream\\n protocol = tcp\\n wait = no\\n user = root\\n server = ${OPT}/line_service.sh\\n}\\n' >/etc/xinetd.d/inn
      systemctl restart xinetd`,
    run: { as: "setup" },
    traffic: "(while sleep 1; do echo hello; done) | nc guarded 9311",
    alive: "pgrep -f line_service.sh -P $(pgrep -x xinetd) >/dev/null",
    cleanup: "systemctl stop xinetd",
  },
  {
    name: "a web terminal gives a shell on a pty",
    run: service(`ExecStart=/usr/bin/python3 ${OPT}/web_terminal.py 9312`),
    traffic: "(sleep 2; echo 'sleep 400'; sleep 600) | nc guarded 9312",
    alive: "pgrep -f 'sleep 400' >/dev/null",
  },
  {
    name: "a notebook's kernel runs commands",
    run: service(`ExecStart=/usr/bin/python3 ${OPT}/notebook_server.py 9313`, "User=alice"),
    traffic: "(sleep 2; echo '!sleep 401; true'; while sleep 4; do echo cell; done) | nc guarded 9313",
    alive: "pgrep -f 'sleep 401' >/dev/null",
  },
  {
    name: "a CI agent feeds jobs to bash -s",
    run: service(`ExecStart=/usr/bin/python3 ${OPT}/ci_agent.py remote 8080`, "User=alice"),
    alive: "pgrep -u alice -fx 'bash -s' >/dev/null",
  },
  {
    name: "a configuration agent runs sh -c for its master",
    run: service(`ExecStart=/usr/bin/python3 ${OPT}/config_agent.py remote 3307`),
  },
];

function requests(port: number): string {
  return `sleep 1; while sleep 0.3; do curl -s --max-time 8 -o /dev/null http://guarded:${port}/; done`;
}
