/**
 * Host names and addresses that a command line names: of URLs, `user@host`, `host:port`, `/dev/tcp/host/port`, options,
 * and words that look like a host. Never asks the network what they mean. Looks at 32 KiB and gives at most 64.
 */
import { parseAddress } from "../core/address.ts";

export interface NamedHost {
  /** Lower case, without a dot at its end; an address as it stands there. */
  readonly host: string;
  readonly isAddress: boolean;
  /** As written, or what the scheme stands for; 0 where nothing says. */
  readonly port: number;
  /** A bare word may as well be a file (`notes.md`); the other forms can only mean a host. */
  readonly form: "url" | "account" | "port" | "word";
}

const CHARACTERS_MAX = 32 * 1024;
const HOSTS_MAX = 64;
const PORT_OF: Readonly<Record<string, number>> = {
  http: 80,
  https: 443,
  ws: 80,
  wss: 443,
  ftp: 21,
  ftps: 990,
  ssh: 22,
  sftp: 22,
  git: 9418,
  ldap: 389,
  ldaps: 636,
};

const URL_FORM = /^([a-z][a-z0-9+.-]*):\/\/(?:[^/@\s]*@)?(\[[0-9a-f:.%]+\]|[^/:?#@\s[\]]+)(?::(\d{1,5}))?/i;
const DEVICE_FORM = /^\/dev\/(?:tcp|udp)\/([^/\s]+)\/(\d{1,5})$/;
const HOST_FORM = /^(?:([^@\s/]+)@)?(\[[0-9a-f:.%]+\]|[^/:@\s[\]]+)(?::(\d{1,5}))?(?=$|[/:])/i;
/** A name has a dot, an IPv6 address stands in brackets. */
const MAY_NAME = /[.[]/;
const NAME = /^(?=.{4,253}$)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)+(?:[a-z]{2,63}|xn--[a-z0-9-]{2,59})$/;

export function hostsIn(argv: readonly string[]): readonly NamedHost[] {
  const found = new Map<string, NamedHost>();
  let left = CHARACTERS_MAX;
  // The first word is the program.
  for (const [index, argument] of argv.entries()) {
    if (left <= 0 || found.size >= HOSTS_MAX) break;
    const text = argument.slice(0, left);
    left -= argument.length;
    if (index === 0 || !MAY_NAME.test(text)) continue;
    for (const word of text.split(/[\s;|&()<>"'`,=$\\]+/)) {
      const named = found.size >= HOSTS_MAX ? undefined : hostOf(word);
      if (named !== undefined) found.set(`${named.host} ${named.port}`, named);
    }
  }
  return [...found.values()];
}

function hostOf(word: string): NamedHost | undefined {
  if (word.length > 2048 || !MAY_NAME.test(word)) return undefined;
  const url = URL_FORM.exec(word);
  if (url !== null) return named(url[2] ?? "", portOf(url[3]) || (PORT_OF[(url[1] ?? "").toLowerCase()] ?? 0), "url");
  const device = DEVICE_FORM.exec(word);
  if (device !== null) return named(device[1] ?? "", portOf(device[2]), "url");
  const bare = HOST_FORM.exec(word.replace(/^-+[a-z]?(?=[a-z0-9_]+\.)/i, ""));
  if (bare === null) return undefined;
  const port = portOf(bare[3]);
  if (bare[1] !== undefined) return named(bare[2] ?? "", port, "account");
  return named(bare[2] ?? "", port, port === 0 ? "word" : "port");
}

function named(raw: string, port: number, form: NamedHost["form"]): NamedHost | undefined {
  const host = raw.replace(/^\[|\]$/g, "").toLowerCase();
  if (parseAddress(host) !== undefined) return { host, isAddress: true, port, form };
  const name = host.endsWith(".") ? host.slice(0, -1) : host;
  return NAME.test(name) ? { host: name, isAddress: false, port, form } : undefined;
}

function portOf(text: string | undefined): number {
  const port = Number(text ?? "0");
  return port <= 65_535 ? port : 0;
}

/** Whether a connection to this port may be the one that the command line names. A name server's port is asked on the way. */
export function mayLeadTo(named: NamedHost, remotePort: number): boolean {
  if (named.port !== 0) return named.port === remotePort;
  return remotePort !== 53 && remotePort !== 853;
}
