/**
 * TRUSTED_PORTS and SUSPICIOUS_NETWORK_PATTERNS, compiled once for each config. Patterns run on re2js: linear in the text.
 * Costs about 2 us a pattern for an address not seen before; the last 2,000 answers are kept.
 */
import { RE2JS } from "re2js";
import { endpointText } from "../../core/control.ts";
import type { Endpoint } from "../../core/socket.ts";

export interface NetworkListKeys {
  /** Port to name. */
  readonly TRUSTED_PORTS: Readonly<Record<string, string>>;
  readonly SUSPICIOUS_NETWORK_PATTERNS: readonly string[];
}

export interface NetworkPatternMatch {
  /** As the config has it. */
  readonly pattern: string;
  readonly subject: "ip" | "ip:port" | "domain";
  /** The text that was looked at. */
  readonly matched: string;
}

export interface NetworkLists {
  /** TRUSTED_PORTS names at least one port; an empty list says nothing. */
  readonly hasPorts: boolean;
  readonly hasPatterns: boolean;
  portName(port: number): string | undefined;
  /** The one that says most: of the domain, else of address and port together, else of the address alone. */
  match(remote: Endpoint, domains: readonly string[]): NetworkPatternMatch | undefined;
}

const ANSWERS_MAX = 2_000;

export function compileNetworkLists(keys: NetworkListKeys): NetworkLists {
  const ports = new Map(Object.entries(keys.TRUSTED_PORTS).map(([port, name]) => [Number(port), name]));
  const patterns = [...new Set(keys.SUSPICIOUS_NETWORK_PATTERNS)].flatMap(compiled);
  const answers = new Map<string, NetworkPatternMatch | undefined>();
  return {
    hasPorts: ports.size > 0,
    hasPatterns: patterns.length > 0,
    portName: (port) => ports.get(port),
    match,
  };

  function match(remote: Endpoint, domains: readonly string[]): NetworkPatternMatch | undefined {
    if (patterns.length === 0) return undefined;
    for (const domain of domains) {
      const found = remembered(domain, () => first(domain, "domain"));
      if (found !== undefined) return found;
    }
    const text = endpointText(remote.address, remote.port);
    return remembered(text, () => {
      const whole = patterns.filter(({ matcher }) => matcher.test(text));
      const isV6 = remote.address.includes(":");
      // `:4444$` speaks of a port, and an IPv6 address may end alike.
      const bare = patterns.filter(
        ({ source, matcher }) => !(isV6 && source.startsWith(":")) && matcher.test(remote.address),
      );
      const precise = whole.find((one) => !bare.includes(one));
      if (precise !== undefined) return { pattern: precise.source, subject: "ip:port", matched: text };
      const [any] = bare.length > 0 ? bare : whole;
      return any === undefined ? undefined : { pattern: any.source, subject: "ip", matched: remote.address };
    });
  }

  function first(text: string, subject: NetworkPatternMatch["subject"]): NetworkPatternMatch | undefined {
    const found = patterns.find(({ matcher }) => matcher.test(text));
    return found === undefined ? undefined : { pattern: found.source, subject, matched: text };
  }

  function remembered(key: string, ask: () => NetworkPatternMatch | undefined): NetworkPatternMatch | undefined {
    if (answers.has(key)) return answers.get(key);
    const answer = ask();
    if (answers.size >= ANSWERS_MAX) answers.delete(answers.keys().next().value ?? "");
    answers.set(key, answer);
    return answer;
  }
}

/** The config was checked before it came here; what re2 refuses all the same is left out. */
function compiled(source: string): { readonly source: string; readonly matcher: RE2JS }[] {
  try {
    return [{ source, matcher: RE2JS.compile(source, RE2JS.CASE_INSENSITIVE) }];
  } catch {
    return [];
  }
}
