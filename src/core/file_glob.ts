/** The globs of EXCEPTIONS: literal but for `*` within one component and `/**` at the end. Linear, no regular expressions. */

/** `/a/*.pyc` is any such file of /a, `/a/**` whatever is below /a; `*` never crosses a slash. */
export function matchesFileGlob(glob: string, path: string): boolean {
  const isTree = glob.endsWith("/**");
  const wanted = (isTree ? glob.slice(0, -"/**".length) : glob).split("/");
  const parts = path.split("/");
  if (isTree ? parts.length <= wanted.length : parts.length !== wanted.length) return false;
  return wanted.every((part, index) => matchesPart(part, parts[index] ?? ""));
}

function matchesPart(glob: string, text: string): boolean {
  const pieces = glob.split("*");
  const last = pieces.pop() ?? "";
  const first = pieces.shift();
  if (first === undefined) return text === last;
  if (text.length < first.length + last.length || !text.startsWith(first) || !text.endsWith(last)) return false;
  let from = first.length;
  const end = text.length - last.length;
  for (const piece of pieces) {
    const at = text.indexOf(piece, from);
    if (at < 0 || at + piece.length > end) return false;
    from = at + piece.length;
  }
  return true;
}
