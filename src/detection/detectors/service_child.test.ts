// Which children of services are stated, and with which second facts.
import { describe, expect, test } from "bun:test";
import { hostFixture } from "../../context/host.fixture.ts";
import type { Fields } from "../../core/nouns.ts";
import { createServiceChildDetector } from "./service_child.ts";

const under = (service: string, child: string, argv = `["sh","-c","id"]`) => `pid 40 ppid 1 uid 33 exe ${service}
pid 50 ppid 40 uid 33 ${child}
  argv ${argv}`;

const ROWS: readonly [sentence: string, host: string, expected: Fields | "nothing"][] = [
  [
    "a web server's shell",
    under("/usr/sbin/nginx", "exe /usr/bin/dash"),
    { "service.kind": "web", "service.outside_job": false, "process.has_network": false },
  ],
  ["php-fpm's interpreter", under("/usr/sbin/php-fpm8.2", "exe /usr/bin/python3.11"), { "service.kind": "web" }],
  [
    "a database's shell",
    under("/usr/lib/postgresql/15/bin/postgres", "exe /usr/bin/bash"),
    { "service.kind": "database" },
  ],
  ["a mail server's shell", under("/usr/sbin/exim4", "exe /usr/bin/dash"), { "service.kind": "mail" }],
  [
    "a program in /tmp that a web server started",
    under("/usr/sbin/apache2", "exe /tmp/x", `["x"]`),
    { "service.kind": "web", "process.executable_temporary": true },
  ],
  [
    "cron's job line",
    under("/usr/sbin/cron", "exe /usr/bin/dash"),
    { "service.kind": "cron", "service.outside_job": false },
  ],
  [
    "a shell that at feeds its job",
    under("/usr/sbin/atd", "exe /usr/bin/dash", `["sh"]`),
    { "service.outside_job": false },
  ],
  [
    "cron's child outside its job",
    under("/usr/sbin/cron", "exe /usr/bin/bash", `["bash","/tmp/x"]`),
    { "service.outside_job": true },
  ],
  ["a web server's tool that is no interpreter", under("/usr/sbin/nginx", "exe /usr/bin/convert"), "nothing"],
  ["a shell of nobody's service", under("/usr/sbin/sshd", "exe /usr/bin/bash"), "nothing"],
  ["a shell whose parent is gone", "pid 50 ppid 40 uid 33 exe /usr/bin/bash", "nothing"],
  ["a worker of the service itself", under("/usr/bin/beam.smp", "exe /usr/bin/beam.smp"), "nothing"],
];

describe("states", () => {
  test.each(ROWS)("%s", (_sentence, host, expected) => {
    const events = createServiceChildDetector().sweep(hostFixture(host).view);
    if (expected === "nothing") expect(events).toEqual([]);
    else expect(events.map((event) => event.fields)).toEqual([expect.objectContaining(expected)]);
  });

  const NETWORK: readonly [sentence: string, own: string, reaches: boolean][] = [
    ["inherited from the daemon", "fd 3 rw socket:[1]", false],
    ["of its own", "fd 3 rw socket:[2]", true],
    ["inherited and of its own", "fd 3 rw socket:[1]\n  fd 4 rw socket:[2]", true],
  ];
  test.each(NETWORK)("a connection %s", (_sentence, own, reaches) => {
    const host = `pid 40 ppid 1 uid 33 exe /usr/sbin/nginx\n  fd 3 rw socket:[1]\npid 50 ppid 40 uid 33 exe /usr/bin/dash\n  ${own}
tcp 10.0.0.5:80 <- 203.0.113.7:50000 inode 1\ntcp 10.0.0.5:40000 -> 203.0.113.7:443 inode 2`;
    expect(createServiceChildDetector().sweep(hostFixture(host).view)[0]?.fields["process.has_network"]).toBe(reaches);
  });

  test("each child once", () => {
    const detector = createServiceChildDetector();
    const view = hostFixture(under("/usr/sbin/nginx", "exe /usr/bin/dash")).view;
    expect([detector.sweep(view).length, detector.sweep(view).length]).toEqual([1, 0]);
  });
});
