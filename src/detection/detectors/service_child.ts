/**
 * States that a web, database or mail daemon, or cron, started a command interpreter; with the second facts that make
 * it worse. Once per process and executable.
 */
import type { EventDraft } from "../../core/nouns.ts";
import { baseName } from "../../core/place.ts";
import type { Process } from "../../core/process.ts";
import { processFields } from "../../core/render.ts";
import type { HostView } from "../../core/view.ts";
import { remoteSockets } from "./channels.ts";
import { type Detector, derived } from "./detector.ts";
import { createOncePerProcess } from "./new_processes.ts";

type ServiceKind = "web" | "database" | "mail" | "cron";

const SERVICES: readonly [ServiceKind, RegExp][] = [
  [
    "web",
    /^(nginx|apache2|httpd|lighttpd|caddy|php-fpm[\d.]*|php-cgi[\d.]*|uwsgi|gunicorn|unicorn|puma|tomcat\d*|w3wp|traefik|haproxy)$/,
  ],
  [
    "database",
    /^(mysqld|mariadbd|postgres|redis-server|valkey-server|mongod|memcached|influxd|couchdb|beam\.smp|clickhouse\w*)$/,
  ],
  ["mail", /^(master|smtpd|exim\d?|sendmail|dovecot|postfix|opensmtpd)$/],
  ["cron", /^(cron|crond|atd|anacron|fcron)$/],
];

export function createServiceChildDetector(): Detector {
  const once = createOncePerProcess();
  return {
    id: "service_child",
    emits: ["service_child"],
    sweep: (view) => once.fresh(view).flatMap((process) => inspect(view, process)),
  };
}

function inspect(view: HostView, process: Process): readonly EventDraft[] {
  const program = view.program(process);
  const { temporary } = program;
  if (!program.interpreter && !temporary) return [];
  const parent = view.processes.get(process.parentPid);
  const kind = parent === undefined ? undefined : serviceKind(parent);
  if (parent === undefined || kind === undefined || isSameProgram(process, parent)) return [];
  const fields = {
    ...processFields(view, process),
    "service.kind": kind,
    "service.outside_job": kind === "cron" && !isJobLine(process),
    "process.has_network": reachesNetwork(view, process),
  };
  return [
    derived("service_child", "service-started-interpreter", process, fields, {
      actors: [process.ref],
      relays: [],
      sockets: [],
    }),
  ];
}

function serviceKind(process: Process): ServiceKind | undefined {
  const name = baseName(process.executable?.path ?? "");
  return SERVICES.find(([, names]) => names.test(name))?.[0];
}

/** A php-fpm pool's workers are children of php-fpm. */
function isSameProgram(process: Process, parent: Process): boolean {
  return (
    process.executable?.inode === parent.executable?.inode && process.executable?.device === parent.executable?.device
  );
}

/** cron and at run each job as `sh -c <line>` or feed it to a shell. */
function isJobLine(process: Process): boolean {
  return process.argv[1] === "-c" || process.argv.length === 1;
}

/** A connection of its own, not one inherited from the daemon. */
function reachesNetwork(view: HostView, process: Process): boolean {
  const parent = view.processes.get(process.parentPid);
  const inherited = new Set(parent === undefined ? [] : remoteSockets(view, parent).map((held) => held.socket.inode));
  return remoteSockets(view, process).some((held) => !inherited.has(held.socket.inode));
}
