/**
 * Names and arguments are chosen by whoever is attacking: nothing that can break a line, move a cursor, reverse the
 * reading direction or hide itself leaves this program unescaped.
 */

/** C0, DEL, C1, line and paragraph separators, zero-width and bidirectional controls, byte order mark, lone surrogates, tags. */
const UNPRINTABLE =
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]|\p{Surrogate}/gu;

/** On one line, with every unprintable character as `\n`, `\t`, `\x1b` or `\u{202e}`, and at most `charactersMax` long. */
export function printable(text: string, charactersMax = 65_536): string {
  const cut = text.length > charactersMax ? text.slice(0, charactersMax) : text;
  const escaped = cut.replace(UNPRINTABLE, escapeOf);
  const shown = escaped.length > charactersMax ? escaped.slice(0, charactersMax) : escaped;
  const lost = text.length - charactersMax;
  return lost > 0 || shown.length < escaped.length ? `${trimBroken(shown)}... (${text.length} characters)` : shown;
}

function escapeOf(character: string): string {
  if (character === "\n") return "\\n";
  if (character === "\r") return "\\r";
  if (character === "\t") return "\\t";
  const code = character.codePointAt(0) ?? 0;
  return code < 0x100 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u{${code.toString(16)}}`;
}

/** A cut in the middle of a surrogate pair leaves half a character. */
function trimBroken(text: string): string {
  return text.isWellFormed() ? text : text.toWellFormed().replace(/\ufffd$/, "");
}
