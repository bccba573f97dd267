/**
 * One line of a list of indicators: an address, network, range, domain or SHA-256, plain or as lists in the wild write
 * them (hosts file, CSV, defanged, wildcards). Trusts nothing; refuses what would condemn the neighbourhood.
 */
import { type Address, parseAddress, scopeOfAddress } from "../../core/address.ts";

export type IndicatorLine =
  | { readonly kind: "nothing" }
  | { readonly kind: "network"; readonly address: Address; readonly length: number }
  | { readonly kind: "domain"; readonly domain: string }
  | { readonly kind: "sha256"; readonly sha256: string }
  /** What is wrong with it, for the operator. */
  | { readonly kind: "bad"; readonly reason: string };

const LINE_CHARACTERS_MAX = 4096;
/** Shorter prefixes hold whole regions of the internet. */
const LENGTH_MIN = { 32: 8, 128: 16 } as const;
const EMPTY_FILE = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const NOTHING: IndicatorLine = { kind: "nothing" };
const DOMAIN = /^(?=.{4,253}$)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)+(?:[a-z]{2,63}|xn--[a-z0-9-]{2,59})$/;
/** Where hosts files send what they block. */
const SINKS: ReadonlySet<string> = new Set(["0.0.0.0", "127.0.0.1", "::", "::1", "255.255.255.255", "fe80::1%lo0"]);

export function readIndicatorLine(line: string): IndicatorLine {
  if (line.length > LINE_CHARACTERS_MAX) return bad(`is longer than ${LINE_CHARACTERS_MAX} characters`);
  const text = line
    .replace(/^\uFEFF/, "")
    .replace(/(^|\s)(#|;|\/\/).*$/, "")
    .trim();
  if (text === "" || text.startsWith("!")) return NOTHING;
  const words = text
    .split(/[\s,;\t|]+/)
    .map((word) => word.replace(/^["']|["']$/g, ""))
    .filter((word) => word !== "");
  const [first = "", second = ""] = words;
  // A hosts file; its own first lines name this host.
  if (SINKS.has(first) && second !== "" && !text.includes(","))
    return second.includes(".") && !SINKS.has(second) ? indicator(second) : NOTHING;
  return indicator(first === "" ? second : first);
}

function indicator(word: string): IndicatorLine {
  const text = refanged(word).toLowerCase();
  if (/^[0-9a-f]{64}$/.test(text))
    return text === EMPTY_FILE ? bad("is the digest of every empty file") : { kind: "sha256", sha256: text };
  if (/^(?:[0-9a-f]{32}|[0-9a-f]{40})$/.test(text)) return bad("is an MD5 or SHA-1 digest; only SHA-256 is compared");
  const url = /^[a-z][a-z0-9+.-]*:\/\/(?:[^/@]*@)?(\[[0-9a-f:.]+\]|[^/:?#]+)(?::\d+)?([/?#].*)?$/.exec(text);
  if (url === null) return network(text) ?? domain(text);
  const host = (url[1] ?? "").replace(/^\[|\]$/g, "");
  const path = url[2] ?? "";
  return (
    network(host) ??
    (path === "" || path === "/" ? domain(host) : bad("is one page of a site; only whole hosts are compared"))
  );
}

/** `1[.]2[.]3[.]4`, `hxxps://evil(dot)example`. */
function refanged(word: string): string {
  return word
    .replace(/\[(\.|dot)\]|\((\.|dot)\)|\{(\.|dot)\}/gi, ".")
    .replace(/\[(:\/\/|:)\]/g, "$1")
    .replace(/^h(?:xx|xt|tx|\*\*)p(?=s?:)/i, "http");
}

/** Undefined for what is no address at all. */
function network(text: string): IndicatorLine | undefined {
  const [, bare = text] =
    /^(\d+\.\d+\.\d+\.\d+):\d{1,5}$/.exec(text) ?? /^\[([0-9a-f:.]+)\](?::\d{1,5})?$/.exec(text) ?? [];
  const slash = bare.indexOf("/");
  const address = parseAddress(slash < 0 ? bare : bare.slice(0, slash));
  if (address === undefined) return undefined;
  const suffix = slash < 0 ? String(address.bits) : bare.slice(slash + 1);
  const length = /^\d{1,3}$/.test(suffix) ? Number(suffix) : -1;
  if (length < 0 || length > address.bits) return bad(`has no sensible prefix length: /${suffix}`);
  if (length < LENGTH_MIN[address.bits]) return bad("is a network so wide that it would condemn half the internet");
  const shift = BigInt(address.bits - length);
  const first = { bits: address.bits, value: (address.value >> shift) << shift };
  const last = { bits: address.bits, value: first.value | ((1n << shift) - 1n) };
  const scope = [first, last].map(scopeOfAddress).find((one) => one !== "public");
  if (scope !== undefined) return bad(`is or holds ${scope} addresses, which are the host itself or its neighbours`);
  return { kind: "network", address: first, length };
}

function domain(text: string): IndicatorLine {
  const name = text
    .replace(/^\|\|/, "")
    .replace(/\^.*$/, "")
    .replace(/^\*?\./, "")
    .replace(/:\d{1,5}$/, "")
    .replace(/[./]$/, "");
  if (DOMAIN.test(name)) return { kind: "domain", domain: name };
  return bad(
    name.includes(".")
      ? "is neither address, domain nor SHA-256"
      : "is neither address, domain nor SHA-256 (a name needs a dot)",
  );
}

function bad(reason: string): IndicatorLine {
  return { kind: "bad", reason };
}
