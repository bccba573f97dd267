/**
 * What an interpreter was told to run, from its argv: code in the arguments, commands from standard input, or a file.
 * argv can be rewritten by the process; the answer only ever adds to facts about descriptors.
 */

export type ScriptSource =
  | { readonly kind: "none" }
  | { readonly kind: "inline" }
  | { readonly kind: "stdin" }
  | { readonly kind: "file"; readonly path: string };

interface OptionGrammar {
  /** Short option letters that take program text. */
  readonly code: string;
  /** Short option letters that swallow the next word (or the rest of their own). */
  readonly valued: string;
  /** Short option letters that read commands from standard input. */
  readonly stdin: string;
  readonly longCode: readonly string[];
  readonly longValued: readonly string[];
  /** Short option letters whose value is a script file. */
  readonly file: string;
  /** The first operand is program text unless a file option was given (awk). */
  readonly operandIsCode?: true;
}

const GRAMMARS: Readonly<Record<string, OptionGrammar>> = {
  shell: { code: "c", valued: "oO", stdin: "s", longCode: [], longValued: ["rcfile", "init-file"], file: "" },
  python: { code: "c", valued: "WXQ", stdin: "", longCode: [], longValued: ["check-hash-based-pycs"], file: "m" },
  perl: { code: "eE", valued: "I", stdin: "", longCode: [], longValued: [], file: "" },
  ruby: { code: "e", valued: "IrCEF", stdin: "", longCode: [], longValued: ["encoding"], file: "" },
  php: {
    code: "rBRE",
    valued: "dcgzt",
    stdin: "",
    longCode: ["run", "process-begin", "process-code", "process-end"],
    longValued: ["define", "php-ini"],
    file: "fFS",
  },
  lua: { code: "e", valued: "l", stdin: "", longCode: [], longValued: [], file: "" },
  node: {
    code: "ep",
    valued: "rC",
    stdin: "",
    longCode: ["eval", "print"],
    longValued: ["require", "import", "loader", "experimental-loader", "conditions"],
    file: "",
  },
  awk: {
    code: "e",
    valued: "vF",
    stdin: "",
    longCode: ["source"],
    longValued: ["assign", "field-separator"],
    file: "f",
    operandIsCode: true,
  },
  tcl: { code: "", valued: "", stdin: "", longCode: [], longValued: ["encoding"], file: "" },
  expect: { code: "c", valued: "", stdin: "", longCode: [], longValued: [], file: "fb" },
  julia: { code: "eE", valued: "", stdin: "", longCode: ["eval"], longValued: [], file: "" },
};

/**
 * The short options of a family for who reads argv letter by letter and knows no more of the grammar: those that bring
 * code, and those whose value is no operand. A script named by an option is left to count as the operand that it is.
 */
export function optionLetters(family: string): { readonly code: string; readonly valued: string } {
  const grammar = GRAMMARS[family];
  if (grammar === undefined) return { code: "", valued: "" };
  // `-MIO::Socket`: the rest of the word is a value, and its letters are no options.
  return { code: grammar.code, valued: family === "perl" ? `${grammar.valued}Mm` : grammar.valued };
}

/** perl and ruby words whose letters after the first are a value (`-MIO::Socket`, `-rsocket`), not more options. */
const GLUED_VALUE = /^-[MmIrCFdT]./;

export function scriptSource(family: string, argv: readonly string[]): ScriptSource {
  if (family === "busybox") return busyboxScript(argv);
  const grammar = GRAMMARS[family];
  return grammar === undefined ? { kind: "none" } : parseOptions(family, grammar, argv.slice(1));
}

/** The part of busybox or toybox that runs, and its arguments. */
export function appletOf(argv: readonly string[]): readonly [applet: string, rest: readonly string[]] {
  const named = (argv[0] ?? "").replace(/^.*\//, "").replace(/^-/, "");
  return /^(busy|toy)box/.test(named) ? [argv[1] ?? "", argv.slice(2)] : [named, argv.slice(1)];
}

function busyboxScript(argv: readonly string[]): ScriptSource {
  const [applet, rest] = appletOf(argv);
  if (/^(a?sh|hush|bash)$/.test(applet)) return scriptSource("shell", ["sh", ...rest]);
  return applet === "awk" ? scriptSource("awk", ["awk", ...rest]) : { kind: "none" };
}

function parseOptions(family: string, grammar: OptionGrammar, words: readonly string[]): ScriptSource {
  let fromFile: string | undefined;
  let stdinAsked = false;
  for (let index = 0; index < words.length; index++) {
    const word = words[index] ?? "";
    if (word === "--") return operand(words[index + 1]);
    if (word === "-") return family === "shell" ? operand(words[index + 1]) : { kind: "stdin" };
    if (!/^[-+]./.test(word)) return operand(word);
    if (word.startsWith("--")) {
      const [name = "", value] = word.slice(2).split("=", 2);
      if (grammar.longCode.includes(name)) return { kind: "inline" };
      if (grammar.longValued.includes(name) && value === undefined) index++;
      continue;
    }
    const letters = (family === "perl" || family === "ruby") && GLUED_VALUE.test(word) ? "" : word.slice(1);
    for (const [position, letter] of [...letters].entries()) {
      if (grammar.code.includes(letter)) return { kind: "inline" };
      if (grammar.stdin.includes(letter)) stdinAsked = true;
      const rest = letters.slice(position + 1);
      if (grammar.file.includes(letter)) {
        const path = rest === "" ? words[index + 1] : rest;
        if (family !== "awk" && path !== undefined) return { kind: "file", path };
        fromFile = path;
        if (rest === "") index++;
        break;
      }
      if (grammar.valued.includes(letter)) {
        if (rest === "") index++;
        break;
      }
    }
  }
  return fromFile === undefined ? { kind: "stdin" } : { kind: "file", path: fromFile };

  function operand(word: string | undefined): ScriptSource {
    if (fromFile !== undefined) return { kind: "file", path: fromFile };
    if (word === undefined || stdinAsked) return { kind: "stdin" };
    if (grammar.operandIsCode === true) return { kind: "inline" };
    // `bash <(...)` runs what comes through a pipe.
    return /^\/(dev\/stdin|(dev|proc\/[\w-]+)\/fd\/\d+)$/.test(word) ? { kind: "stdin" } : { kind: "file", path: word };
  }
}
