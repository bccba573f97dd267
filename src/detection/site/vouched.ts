/**
 * Whether a process is the system's own doing, so that a text in its command line proves nothing: grep looks for
 * `xmrig`, apt installs `socat`. Silences the site's pattern lists only; what a process does is judged as ever.
 */
import { baseName } from "../../core/place.ts";
import type { Process } from "../../core/process.ts";
import type { HostView } from "../../core/view.ts";

/** Only root writes there, on every host; their scripts belong to packages and administrators. */
const ROOTS_OWN_SCRIPTS = /^\/(etc|var\/lib\/dpkg)\/(?!.*\/\.\.\/)/;

const PACKAGE_MANAGERS: ReadonlySet<string> = new Set(
  "apt apt-get aptitude dpkg dpkg-preconfigure unattended-upgrade dnf dnf5 yum rpm zypper pacman apk packagekitd".split(
    " ",
  ),
);

/**
 * A verified program, an interpreter only with a script as good. Never a tool that carries bytes, nor an interpreter
 * with code from its arguments or its input, unless a package manager runs it or somebody sits before it.
 */
export function isVouchedFor(view: HostView, process: Process): boolean {
  if (view.isTrustedByName(process)) return true;
  const program = view.program(process);
  if (!program.verified) return false;
  const script = view.scriptOf(process);
  const byItself = script.kind === "file" ? isGoodScript(view, process) : !program.relayTool && !program.interpreter;
  return byItself || isInteractive(view, process) || isPackageWork(view, process);
}

function isGoodScript(view: HostView, process: Process): boolean {
  const script = view.scriptOf(process);
  if (script.kind !== "file") return false;
  // In a mount namespace of its own /etc may be anybody's.
  const isOurs = process.namespaces.mount === view.ourMountNamespace;
  return script.verified || (isOurs && ROOTS_OWN_SCRIPTS.test(script.path));
}

/** A shell whose user types into a terminal: `bash -i` of an administrator. */
function isInteractive(view: HostView, process: Process): boolean {
  if (!view.program(process).shell || view.scriptOf(process).kind !== "stdin" || process.terminalDevice === 0)
    return false;
  return view.descriptors(process).some((held) => held.fd === 0 && held.kind === "terminal");
}

/** Maintainer scripts and hooks run as root below the package manager, some from /tmp, some given as text. */
function isPackageWork(view: HostView, process: Process): boolean {
  if (process.effectiveUid !== 0) return false;
  return view.ancestors(process).some((ancestor) => {
    const script = view.scriptOf(ancestor);
    const names = [ancestor.executable?.path ?? "", script.kind === "file" && script.verified ? script.path : ""];
    return view.program(ancestor).verified && names.some((name) => PACKAGE_MANAGERS.has(baseName(name)));
  });
}
