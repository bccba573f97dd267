/** What detection and decision may ask about the host: the last sweep, in memory, immutable. Built by context/. */
import type { Descriptor, Process } from "./process.ts";
import type { InternetSocket, PacketSocket, UnixSocket } from "./socket.ts";
import type { HeldConnection } from "./sweep.ts";

export interface Holder {
  readonly process: Process;
  readonly descriptor: Descriptor;
}

/** The systemd unit a process belongs to, as systemd itself says. */
export interface Unit {
  readonly name: string;
  /** 0 where it has none. */
  readonly mainPid: number;
  /** Started by systemd-run, not from a file an administrator or package installed. */
  readonly transient: boolean;
  readonly fragmentPath: string;
}

/** What a program is good for. One file can be several: busybox is a shell and a relay tool. */
export interface ProgramFacts {
  /** bash, dash, zsh, busybox sh, ... by inode or build-id, never by name. */
  readonly shell: boolean;
  /** Runs code it is given: python, perl, ruby, php, lua, node, awk, tclsh, expect, ... (shells too). */
  readonly interpreter: boolean;
  /** Made to carry bytes: nc, ncat, socat, telnet, openssl, ... */
  readonly relayTool: boolean;
  /** Well-known name of the program recognised, e.g. `bash`; its path where it is none of the known ones. */
  readonly name: string;
  /** Recognised as a copy outside its place. */
  readonly isCopy: boolean;
  /** Root-owned, not writable by others, in a system directory, in our own mount namespace. */
  readonly verified: boolean;
  /** In a directory where anybody may write, and not on a mount of its own below it (an AppImage's, a snap's). */
  readonly temporary: boolean;
}

export interface Awaited {
  /** Waited for by read, poll or select: whoever does so handles them itself. */
  readonly descriptors: ReadonlySet<number>;
  /** Watched by an event loop, which watches everything and tells little. */
  readonly loop: ReadonlySet<number>;
  /** False where a thread runs, sleeps for a time only, or may not be looked at: it may handle anything. */
  readonly known: boolean;
}

/** What a file is, told by its content and by the package database. */
export interface FileIdentity {
  /** Lower-case hex. */
  readonly sha256: string;
  readonly packageName?: string;
  /** Whether content and package database agree: `config` is a configuration file that may differ, `none` is in no package. */
  readonly packageState: PackageState;
}

export type PackageState = "matches" | "differs" | "config" | "none" | "unknown";

export interface HostView {
  readonly atMs: number;
  readonly processes: ReadonlyMap<number, Process>;
  children(pid: number): readonly Process[];
  /** Parent, grandparent, ... up to pid 1, bounded. */
  ancestors(process: Process): readonly Process[];
  descriptors(process: Process): readonly Descriptor[];
  /** Who holds an end of a channel, of all processes. */
  holders(channel: string): readonly Holder[];
  internetSocket(inode: number): InternetSocket | undefined;
  /** All of them, directions settled; those that no process owns (inode 0: half open, closing) are in `ownerlessSockets`. */
  internetSockets(): Iterable<InternetSocket>;
  readonly ownerlessSockets: readonly InternetSocket[];
  /** Present where its incoming bytes are withheld while we look. */
  heldOf(socket: InternetSocket): HeldConnection | undefined;
  unixSocket(inode: number): UnixSocket | undefined;
  readonly packetSockets: readonly PacketSocket[];
  /** The listening socket that a connection was accepted on, where it still exists or was seen before, with its holders. */
  listenersFor(socket: InternetSocket): readonly Process[];
  unit(process: Process): Unit | undefined;
  program(process: Process): ProgramFacts;
  /** What an interpreter was told to run. */
  scriptOf(process: Process): Script;
  /** What its threads sleep on at this moment. Read when asked, once per view: ask only about what is suspected already. */
  awaited(process: Process): Awaited;
  /** Every process of our mount namespace shares this number. */
  readonly ourMountNamespace: number;
  readonly memoryTotalBytes: number;
  /** The account's name, or the number where it has none. */
  userName(uid: number): string;
  /** TRUSTED_SYSTEM_PROCESSES names it, and it is the verified program of that name. Silences patterns, never behaviour. */
  isTrustedByName(process: Process): boolean;
  /** Of the file a process runs. Asks for it when it is not known yet, and then is absent until a later sweep. */
  identityOf(process: Process): FileIdentity | undefined;
  /** By which name this address was looked up last on this host, where the sensor heard it. */
  nameOf(address: string): string | undefined;
  /** What the site's pattern lists say of a process; a hint raises scores and proves nothing. */
  hintsOf(process: Process): readonly string[];
}

export type Script =
  | { readonly kind: "none" }
  /** -c, -e, -r and the like: the program text is in argv. */
  | { readonly kind: "inline" }
  /** Reads its commands from standard input (bare, -s, -i, `-`). */
  | { readonly kind: "stdin" }
  | { readonly kind: "file"; readonly path: string; readonly verified: boolean; readonly temporary: boolean };
