/**
 * Names, arguments and file names are chosen by whoever is attacking: nothing that can break a line, move a cursor,
 * reverse the reading direction or hide itself leaves this program unescaped. The one place for all that people read.
 */

/** Control, format (zero-width, bidirectional), private and lone surrogate characters, line and paragraph separators. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\u2028\u2029]/gu;
const NAMED: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };
const CHARACTERS_MAX = 65_536;

/**
 * On one line, with every unprintable character as `\n`, `\r`, `\t`, `\x1b` or `\u{202e}`. Longer than `charactersMax`,
 * escapes counted, it is cut and ends in `…`.
 */
export function printable(data: string, charactersMax = CHARACTERS_MAX): string {
  // Twice is enough to see that something is left: no escape is shorter than what it stands for.
  const escaped = data.slice(0, 2 * charactersMax).replace(UNPRINTABLE, escapeOf);
  return escaped.length <= charactersMax ? escaped : `${whole(escaped, charactersMax)}…`;
}

function escapeOf(character: string): string {
  const named = NAMED[character];
  if (named !== undefined) return named;
  const code = character.codePointAt(0) ?? 0;
  return code < 0x100 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u{${code.toString(16)}}`;
}

/** The first characters, without half a surrogate pair at the end. */
function whole(text: string, length: number): string {
  const cut = text.slice(0, length);
  return cut.isWellFormed() ? cut : cut.slice(0, -1);
}
