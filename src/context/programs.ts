/**
 * Which program a file really is: by device and inode of the known ones in the system directories, by build-id for
 * copies of them, never by what a process calls itself. Costs one directory read per change of a system directory.
 */
import { baseName, isRootOnly, isSystemPath, isTemporaryPath } from "../core/place.ts";
import type { Executable } from "../core/process.ts";
import type { ProgramFacts } from "../core/view.ts";

export interface ProgramClass {
  readonly shell: boolean;
  readonly interpreter: boolean;
  readonly relayTool: boolean;
  readonly family: string;
}

interface Family {
  readonly family: string;
  readonly names: RegExp;
  readonly shell?: true;
  readonly interpreter?: true;
  readonly relayTool?: true;
}

const FAMILIES: readonly Family[] = [
  { family: "busybox", names: /^(busybox|toybox)([.-]static)?$/, shell: true, interpreter: true, relayTool: true },
  {
    family: "shell",
    names:
      /^(r?bash|dash|ash|sh|zsh\d?|[a-z]*ksh(93|\d{4})?|fish|t?csh|yash|posh|es|elvish|xonsh|nu|pwsh)(\.[a-z]+)?(-[\d.]+)?$/,
    shell: true,
    interpreter: true,
  },
  { family: "python", names: /^(python|pypy)[\d.]*$/, interpreter: true },
  { family: "perl", names: /^perl[\d.]*$/, interpreter: true },
  { family: "ruby", names: /^j?ruby[\d.]*$/, interpreter: true },
  { family: "php", names: /^php(-cgi|-cli)?[\d.]*$/, interpreter: true },
  { family: "lua", names: /^(lua|luajit|texlua)[\d.]*(-[\d.a-z-]+)?$/, interpreter: true },
  { family: "node", names: /^(node|nodejs|bun|deno)$/, interpreter: true },
  { family: "awk", names: /^([gmn]?awk|original-awk)$/, interpreter: true, relayTool: true },
  { family: "tcl", names: /^(tclsh|wish|jimsh)[\d.]*$/, interpreter: true },
  { family: "expect", names: /^expect$/, interpreter: true },
  {
    family: "julia",
    names: /^(julia|guile[\d.-]*|gst|erl|escript|Rscript|jjs|jshell|groovy|scala)$/,
    interpreter: true,
  },
  {
    family: "netcat",
    names: /^(nc|ncat|netcat|nc\.(openbsd|traditional)|cryptcat|pwncat|sbd|rcat|rustcat|gs-netcat)$/,
    relayTool: true,
  },
  { family: "socat", names: /^(socat\d?|websocat)$/, relayTool: true },
  { family: "telnet", names: /^(inetutils-)?telnet(\.netkit|-ssl)?$/, relayTool: true },
  { family: "openssl", names: /^(openssl|gnutls-cli)$/, relayTool: true },
];

/** What one file that is many programs is, by the name of the part that runs. */
export function appletClass(applet: string): Pick<ProgramClass, "shell" | "interpreter" | "relayTool"> {
  const shell = /^(sh|ash|hush|bash)$/.test(applet);
  return {
    shell,
    interpreter: shell || applet === "awk",
    relayTool: /^(nc|netcat|telnet|ssl_client|tcpsvd|udpsvd)$/.test(applet),
  };
}

/** Of several names of one file (bash and rbash) the one it was started by, where that is one of them. */
function nameOf(installed: InstalledProgram, path: string): string {
  const own = baseName(path);
  return isSystemPath(path) && classifyName(own).family === classifyName(installed.name).family ? own : installed.name;
}

/** Programs that run the program in their arguments: the dynamic loader called by name. */
export function isLoader(executable: Executable): boolean {
  return isLoaderName(baseName(executable.path)) && isSystemPath(executable.path);
}

export function isLoaderName(name: string): boolean {
  return /^ld(-linux|-musl|\.so|64\.so)?[\w.-]*\.so(\.\d+)*$/.test(name);
}

const UNKNOWN: ProgramClass = { shell: false, interpreter: false, relayTool: false, family: "" };

/** Class of a program by the name of the file it is installed under in a system directory. */
export function classifyName(name: string): ProgramClass {
  const found = FAMILIES.find((family) => family.names.test(name));
  if (found === undefined) return UNKNOWN;
  return {
    shell: found.shell === true,
    interpreter: found.interpreter === true,
    relayTool: found.relayTool === true,
    family: found.family,
  };
}

/** A program found in a system directory. */
export interface InstalledProgram {
  readonly name: string;
  readonly device: number;
  readonly inode: number;
  readonly buildId: string | undefined;
}

export interface ProgramCatalogue {
  /** Replaces what is known; called when a system directory changed. */
  learn(programs: readonly InstalledProgram[], temporaryDevices: ReadonlySet<number>): void;
  /** False for a file on a mount of its own below /tmp, such as an AppImage's; in other mount namespaces nobody can say. */
  isOnTemporaryMount(device: number, sameMountNamespace: boolean): boolean;
  recognise(executable: Executable, sameMountNamespace: boolean): ProgramFacts & { readonly family: string };
}

export function createProgramCatalogue(): ProgramCatalogue {
  let byInode = new Map<string, InstalledProgram>();
  let byBuildId = new Map<string, InstalledProgram>();
  let onTemporary: ReadonlySet<number> = new Set();
  return { learn, isOnTemporaryMount, recognise };

  function isOnTemporaryMount(device: number, sameMountNamespace: boolean): boolean {
    return !sameMountNamespace || onTemporary.has(device);
  }

  function learn(programs: readonly InstalledProgram[], temporaryDevices: ReadonlySet<number>): void {
    onTemporary = temporaryDevices;
    byInode = new Map();
    byBuildId = new Map();
    for (const program of programs) {
      const key = `${program.device}:${program.inode}`;
      // sh -> dash and python3 -> python3.11 share an inode: the longer name says more.
      const known = byInode.get(key);
      if (known === undefined || known.name.length < program.name.length) byInode.set(key, program);
      if (program.buildId !== undefined) byBuildId.set(program.buildId, program);
    }
  }

  function recognise(executable: Executable, sameMountNamespace: boolean): ProgramFacts & { readonly family: string } {
    const installed = byInode.get(`${executable.device}:${executable.inode}`);
    const copied =
      installed === undefined && executable.buildId !== undefined ? byBuildId.get(executable.buildId) : undefined;
    const inPlace = isSystemPath(executable.path);
    // A file that a package upgrade replaced, or that lives in a container's own tree, is known by its path only.
    const byPath = installed === undefined && copied === undefined && inPlace ? baseName(executable.path) : undefined;
    const name = installed === undefined ? (copied?.name ?? byPath) : nameOf(installed, executable.path);
    const known = name === undefined ? UNKNOWN : classifyName(name);
    return {
      ...known,
      name: known === UNKNOWN ? executable.path : (name ?? executable.path),
      isCopy: copied !== undefined,
      verified: sameMountNamespace && inPlace && isRootOnly(executable) && !executable.memfd,
      temporary: isTemporaryPath(executable.path) && isOnTemporaryMount(executable.device, sameMountNamespace),
    };
  }
}
