// Notices that leave the daemon, in a host with a real systemd: a desktop with a session bus, a receiver on loopback,
// a program of the site. The image has libnotify-bin, python3-gi, libpam-systemd and dbus-user-session for it.
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { createHmac } from "node:crypto";
import { join } from "node:path";
import * as z from "zod";
import { asThatUser, notifySendArguments } from "../../src/notify/desktop.ts";
import { configure, copyRelease, HOME, lastWords, mustInstall, status, waitUntil } from "./product.ts";
import { bootHost, type Host } from "./testhost.ts";

setDefaultTimeout(180_000);
const ROOT = join(import.meta.dir, "../..");
const SECRET = "a secret of the site";

/** Writes down every request, and answers with the status in /srv/answer. */
const RECEIVER = `
import http.server, json, os
class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        status = int(open("/srv/answer").read())
        with open("/srv/received.jsonl", "a") as out:
            out.write(json.dumps({"status": status, "headers": {k.lower(): v for k, v in self.headers.items()}, "body": body}) + "\\n")
        self.send_response(status)
        self.end_headers()
    def log_message(self, *arguments):
        pass
http.server.ThreadingHTTPServer(("127.0.0.1", 8099), Receiver).serve_forever()
`;

/** What a desktop offers: org.freedesktop.Notifications on the session bus. */
const NOTIFICATION_DAEMON = `
import json
from gi.repository import Gio, GLib
NODE = Gio.DBusNodeInfo.new_for_xml("""<node><interface name="org.freedesktop.Notifications">
<method name="Notify"><arg type="s" direction="in"/><arg type="u" direction="in"/><arg type="s" direction="in"/>
<arg type="s" direction="in"/><arg type="s" direction="in"/><arg type="as" direction="in"/><arg type="a{sv}" direction="in"/>
<arg type="i" direction="in"/><arg type="u" direction="out"/></method>
<method name="GetCapabilities"><arg type="as" direction="out"/></method>
<method name="GetServerInformation"><arg type="s" direction="out"/><arg type="s" direction="out"/>
<arg type="s" direction="out"/><arg type="s" direction="out"/></method></interface></node>""")
def call(connection, sender, path, interface, method, parameters, invocation):
    if method == "Notify":
        application, _, icon, title, body, _, hints, timeout = parameters.unpack()
        with open("/home/alice/notes.jsonl", "a") as out:
            out.write(json.dumps({"application": application, "title": title, "body": body, "urgency": hints.get("urgency"), "timeout": timeout}) + "\\n")
        invocation.return_value(GLib.Variant("(u)", (1,)))
    elif method == "GetCapabilities":
        invocation.return_value(GLib.Variant("(as)", (["body", "body-markup"],)))
    else:
        invocation.return_value(GLib.Variant("(ssss)", ("test", "test", "1", "1.2")))
def acquired(connection, name):
    connection.register_object("/org/freedesktop/Notifications", NODE.interfaces[0], call, None, None)
Gio.bus_own_name(Gio.BusType.SESSION, "org.freedesktop.Notifications", 0, acquired, None, None)
GLib.MainLoop().run()
`;

/** A shell that reads its input slowly and sends on with a tool of the network: nothing of ours may end it. */
const PAGE_ME = `#!/bin/bash
input=$(cat)
sleep 12
printf '%s\\n' "$input" | curl -s -o /dev/null --data-binary @- -H 'Content-Type: application/json' http://127.0.0.1:8099/paged
printf '%s %s %s\\n' "$ALGO_SEVERITY" "$ALGO_RULE" "$ALGO_KIND" >>/srv/paged
`;

const received = z.object({
  status: z.number(),
  headers: z.record(z.string(), z.string()),
  body: z.string(),
});
type Received = z.infer<typeof received>;
const envelope = z.looseObject({
  message: z.string(),
  rule: z.looseObject({ name: z.string() }).optional(),
  algo_monitor: z.looseObject({ notice: z.string(), message_id: z.string() }),
});
const note = z.object({
  application: z.string(),
  title: z.string(),
  body: z.string(),
  urgency: z.number(),
  timeout: z.number(),
});
const outputs = z.looseObject({
  outputs: z.array(z.looseObject({ name: z.string(), sent: z.number(), failed: z.number() })),
});

let host: Host;

beforeAll(async () => {
  host = await bootHost();
  await host.must("test -x /usr/bin/notify-send && python3 -c 'import gi'");
  await copyRelease(host);
  await mustInstall(host);
  await host.must("mkdir -p /srv && echo 200 >/srv/answer");
  await host.writeFile("/srv/receiver.py", RECEIVER);
  await host.writeFile("/srv/notifications.py", NOTIFICATION_DAEMON, 0o755);
  await host.writeFile("/usr/local/bin/page-me", PAGE_ME, 0o755);
  await host.must("chmod 755 /srv /srv/notifications.py /usr/local/bin/page-me");
  await host.start("receiver", "python3 /srv/receiver.py");
  await configure(host, {
    NOTIFICATIONS: {
      desktop: { enabled: true, min_level: "ALERT" },
      webhook: { url: "http://127.0.0.1:8099/hook?key=K3Y", secret: SECRET, min_level: "ALERT" },
      command: { argv: ["/usr/local/bin/page-me"], min_level: "ALERT", timeout_seconds: 60 },
      cooldown_seconds: 0,
    },
  });
  host.copyIn(join(ROOT, "rules/command-and-control/reverse_shell/trigger.sh"), "/opt/trigger.sh");
});
afterAll(async () => {
  if (host !== undefined) await host.stop();
});

async function lines<S extends z.ZodType>(file: string, schema: S): Promise<z.output<S>[]> {
  const text = (await host.exec(`cat ${file} 2>/dev/null`)).stdout;
  return text
    .split("\n")
    .filter(Boolean)
    .map((line) => schema.parse(JSON.parse(line)));
}

async function hooks(): Promise<Received[]> {
  return (await lines("/srv/received.jsonl", received)).filter(({ headers }) => headers["x-algo-monitor-id"]);
}

async function output(name: string): Promise<z.infer<typeof outputs>["outputs"][number] | undefined> {
  const report = outputs.parse(JSON.parse(await host.must("algo-monitor status --json")));
  return report.outputs.find((one) => one.name === name);
}

let killsMade = 0;
async function makeKill(): Promise<void> {
  killsMade++;
  await host.start(`trigger-${killsMade}`, "sh /opt/trigger.sh");
}

async function waitFor(what: string, condition: () => Promise<boolean>): Promise<void> {
  try {
    await waitUntil(what, condition, 60_000);
  } catch (thrown) {
    throw new Error(`${thrown}\n${await lastWords(host)}`);
  }
}

/** As a display manager would: a session of logind with a type of x11, and with it the user's bus. */
async function logInToDesktop(): Promise<void> {
  await host.must(
    `systemd-run -q --unit alice-desktop --uid alice -p PAMName=login -p 'Environment=XDG_SESSION_TYPE=x11 XDG_SESSION_CLASS=user' sleep infinity`,
  );
  await waitFor("alice has a bus", async () => (await host.exec("test -S /run/user/1000/bus")).exitCode === 0);
  await host.start("alice-notifications", "", {
    user: "alice",
    properties: ["Environment=DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/1000/bus"],
    argv: ["/usr/bin/python3", "/srv/notifications.py"],
  });
}

describe("a notice that leaves the daemon", () => {
  test("reaches the webhook signed, and the command, whose shell no rule of ours ends", async () => {
    await makeKill();
    await waitFor("the receiver has it", async () => (await hooks()).length > 0);
    const [first] = await hooks();
    const body = first?.body ?? "{}";
    const document = envelope.parse(JSON.parse(body));
    expect(document).toMatchObject({ rule: { name: "reverse_shell" }, algo_monitor: { notice: "kill" } });
    expect(document.algo_monitor.message_id).toBe(first?.headers["x-algo-monitor-id"] ?? "none");
    const mac = createHmac("sha256", SECRET).update(`${first?.headers["x-algo-monitor-timestamp"]}.${body}`);
    expect(first?.headers["x-algo-monitor-signature"]).toBe(`sha256=${mac.digest("hex")}`);
    await waitFor("the command is through", async () => (await host.exec("test -s /srv/paged")).exitCode === 0);
    expect(await host.must("cat /srv/paged")).toContain("ALERT reverse_shell kill");
    expect(await output("command")).toMatchObject({ failed: 0 });
  });

  test("makes no desktop notice, and no fault, while nobody is logged in to one", async () => {
    expect(await output("desktop")).toMatchObject({ sent: 0, failed: 0 });
  });

  test("reaches the desktop of a user on that user's own bus", async () => {
    await logInToDesktop();
    // Who is logged in is known with the next look at the sessions, so the first kill may come too early.
    await waitFor("the note is shown", async () => {
      await makeKill();
      await Bun.sleep(8_000);
      return (await lines("/home/alice/notes.jsonl", note)).length > 0;
    });
    const [first] = await lines("/home/alice/notes.jsonl", note);
    expect(first).toMatchObject({
      application: "algo-monitor",
      title: "algo-monitor: ALERT reverse_shell",
      urgency: 2,
      timeout: 30_000,
    });
    expect(first?.body).toContain("KILLED");
    expect(first?.body).not.toMatch(/<|&(?!amp;|lt;|gt;)/);
    expect(await output("desktop")).toMatchObject({ failed: 0 });
  });

  test("shows a hostile text as it was written, through systemd, notify-send and the markup of desktops", async () => {
    const text = "$HOME $$ ${PATH} %n %% \\t \\x41 <b>&amp;</b> `id` $(id) ' \" --hint";
    const notice = { kind: "health", severity: "ALERT", atMs: 0, message: text, fields: {} } as const;
    const argv = asThatUser({ uid: 1000, user: "alice" }, await notifySendArguments(notice));
    await host.must(argv.map((argument) => `'${argument.replaceAll("'", "'\\''")}'`).join(" "));
    const shown = (await lines("/home/alice/notes.jsonl", note)).at(-1)?.body ?? "";
    expect(shown.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&")).toBe(text);
  });

  test("waits for a receiver that is down, over SIGKILL of the daemon, and its key is in no status or log", async () => {
    await host.must("echo 503 >/srv/answer");
    const before = (await hooks()).length;
    await makeKill();
    await waitFor("it was tried", async () => (await hooks()).length > before);
    const id = (await hooks()).at(-1)?.headers["x-algo-monitor-id"] ?? "none";
    const { pid } = await status(host);
    await host.must(`kill -KILL ${pid}`);
    await waitFor("the daemon is back", async () => {
      const answer = await host.exec("algo-monitor status --json");
      return answer.exitCode === 0 && JSON.parse(answer.stdout).pid !== pid;
    });
    await host.must("echo 200 >/srv/answer");
    const isDelivered = (one: Received) => one.status === 200 && one.headers["x-algo-monitor-id"] === id;
    await waitFor("it is delivered", async () => (await hooks()).some(isDelivered));
    expect((await host.must(`stat -c '%a %U' ${HOME}/spool`)).trim()).toBe("700 root");
    const said = await host.must(
      `algo-monitor status --json; journalctl -q -u algo-monitor --no-pager; cat ${HOME}/logs/*`,
    );
    for (const key of ["K3Y", SECRET]) expect(said).not.toContain(key);
  });
});
