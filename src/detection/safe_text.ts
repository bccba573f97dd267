// Values of events are chosen by attackers: control characters, terminal escapes and characters that turn the direction
// of text are shown escaped, and every value is bounded.
const CHARACTERS_MAX = 300;
/** C0, DEL, C1, zero-width and direction marks, line and paragraph separators, lone surrogates. */
const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]|\p{Surrogate}/gu;

/** One line that no terminal and no log reader can be fooled with. */
export function safeText(text: string, charactersMax = CHARACTERS_MAX): string {
  const bounded = text.length > charactersMax ? `${text.slice(0, charactersMax)}...` : text;
  return bounded.replace(UNSAFE, (character) => {
    const code = character.codePointAt(0) ?? 0;
    return code < 0x100 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u${code.toString(16).padStart(4, "0")}`;
  });
}
