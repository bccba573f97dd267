// One entry of REVERSE_SHELL_INDICATORS as a pattern: the text as it stands, in any case, from the border of a word to
// the border of a word. Compiled for re2js, so that no text makes it slow.
import { RE2JS } from "re2js";

/** What may stand before and behind: nothing, white space, a quote, or what separates words for a shell. */
const BORDER = "[\\s'\"`;|&()<>]";
const KINDS: Readonly<Record<string, string>> = {
  // With a scheme, or as curl takes it without one: a host with a dot, or an address.
  "<url>":
    "['\"]?(?:[a-z][a-z0-9+.-]*://[^\\s'\"|;&<>]+|[a-z0-9-]+(?:\\.[a-z0-9-]+)+(?::\\d+)?(?:/[^\\s'\"|;&<>]*)?)['\"]?",
  "<ip>": "['\"]?(?:\\d{1,3}(?:\\.\\d{1,3}){3}|\\[?[0-9a-f]*(?::[0-9a-f]*){2,7}\\]?)['\"]?",
  "<port>": "['\"]?\\d{1,5}['\"]?",
};

export interface Indicator {
  readonly pattern: RE2JS;
  /** The longest part, in lower case, without which the pattern cannot match: looked for first, because that is cheap. */
  readonly literal: string;
}

/** Undefined for a text in which nothing is left to look for. */
export function compileIndicator(text: string): Indicator | undefined {
  const pieces = text.trim().match(/<(?:url|ip|port)>|\s*[;|&]+\s*|\s+|\\?['"]|[^\s'"<;|&\\]+|[<\\]/gi) ?? [];
  if (!pieces.some((piece) => /[\p{L}\p{N}]/u.test(piece))) return undefined;
  // `socat exec:` goes on with its argument: such a text brings its own border.
  const after = /[:=,]$/.test(text.trim()) ? "" : `(?:$|${BORDER})`;
  const pattern = RE2JS.compile(`(?:^|${BORDER})${pieces.map(pieceOf).join("")}${after}`, RE2JS.CASE_INSENSITIVE);
  return { pattern, literal: longestOf(pieces.filter(isLiteral)).toLowerCase() };
}

function isLiteral(piece: string): boolean {
  return KINDS[piece.toLowerCase()] === undefined && !/[\s;|&'"]/.test(piece);
}

function longestOf(pieces: readonly string[]): string {
  return pieces.reduce((longest, piece) => (piece.length > longest.length ? piece : longest), "");
}

function pieceOf(piece: string): string {
  const kind = KINDS[piece.toLowerCase()];
  if (kind !== undefined) return kind;
  if (piece.trim() === "") return "\\s+";
  // White space beside what separates commands means nothing to a shell.
  if (/[;|&]/.test(piece)) return `\\s*${RE2JS.quote(piece.trim())}\\s*`;
  // What a shell takes away before the program sees it.
  return /['"]/.test(piece) ? `\\\\?['"]?` : RE2JS.quote(piece);
}
