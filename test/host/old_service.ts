// The Python service that the product replaces, as a stand-in: its unit, its link, its folder, its published lists.
import { join } from "node:path";
import { HOME } from "./product.ts";
import type { Host } from "./testhost.ts";

const FILES = join(import.meta.dir, "programs/old_service");
export const UNIT = "/etc/systemd/system/algo-monitor.service";
export const EXECUTABLE = "/usr/local/bin/algo-monitor";
export const PROGRAM = `${HOME}/algo-monitor.py`;

/** Puts it in place and starts it, over whatever is there. The folder is alice's, as a careless site has it. */
export async function startOldService(host: Host): Promise<void> {
  host.copyIn(FILES, "/opt/old_service");
  await host.must(`
    systemctl disable --now --quiet algo-monitor 2>/dev/null
    rm -rf ${HOME} ${UNIT} ${UNIT}.d ${EXECUTABLE} && mkdir -p ${HOME}/logs ${UNIT}.d
    cp /opt/old_service/program.py ${PROGRAM} && cp /opt/old_service/config.json ${HOME}/
    echo 'what it wrote before' >${HOME}/logs/alert.log
    chown -R alice:alice ${HOME} && chmod 755 ${HOME} ${PROGRAM} && chmod 664 ${HOME}/config.json
    cp /opt/old_service/unit.service ${UNIT} && printf '[Service]\\nNice=3\\n' >${UNIT}.d/site.conf
    ln -s ${PROGRAM} ${EXECUTABLE}
    systemctl daemon-reload && systemctl enable --quiet algo-monitor && systemctl restart algo-monitor`);
}

/** Everything of it, with contents, owners and modes; logs grow, so of them only what is not their content. */
export function photograph(host: Host): Promise<string> {
  return host.must(`
    for path in ${UNIT} ${UNIT}.d/site.conf ${HOME}/config.json ${PROGRAM}; do sha256sum $path; done
    stat -c '%n %U %a %F' ${UNIT} ${UNIT}.d ${UNIT}.d/* ${EXECUTABLE} ${HOME} ${HOME}/* ${HOME}/logs/alert.log
    find ${HOME} -mindepth 1 -maxdepth 1 -printf '%P\\n' | sort
    readlink ${EXECUTABLE}; systemctl is-enabled algo-monitor; systemctl is-active algo-monitor; systemctl show -P Nice algo-monitor
    find /etc/systemd/system -lname '*algo-monitor*'`);
}

/** Which of the two guards: the one whose process the unit runs. */
export async function whoRuns(host: Host): Promise<"old" | "new" | "none"> {
  const pid = (await host.must("systemctl show -P MainPID algo-monitor")).trim();
  const line = (await host.exec(`tr '\\0' ' ' </proc/${pid}/cmdline 2>/dev/null`)).stdout;
  if (pid === "0") return "none";
  if (line.includes(PROGRAM)) return "old";
  return line.startsWith(`${EXECUTABLE} run`) ? "new" : "none";
}
