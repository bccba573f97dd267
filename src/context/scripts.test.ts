import { expect, test } from "bun:test";
import { scriptSource } from "./scripts.ts";

const ROWS: readonly [sentence: string, family: string, argv: readonly string[], expected: string][] = [
  ["a bare shell reads its commands from standard input", "shell", ["bash"], "stdin"],
  ["a login shell reads its commands from standard input", "shell", ["-bash"], "stdin"],
  ["an interactive shell reads its commands from standard input", "shell", ["/bin/sh", "-i"], "stdin"],
  ["sh -s with arguments still reads standard input", "shell", ["sh", "-s", "stable"], "stdin"],
  ["bash -c is inline", "shell", ["bash", "-c", "id"], "inline"],
  ["combined letters with c are inline", "shell", ["bash", "-lc", "id"], "inline"],
  ["a script file is a file", "shell", ["bash", "/root/x.sh", "-i"], "file:/root/x.sh"],
  ["an option value is not the script", "shell", ["bash", "--rcfile", "/x", "-i"], "stdin"],
  ["set -o takes a word", "shell", ["bash", "-o", "pipefail", "run.sh"], "file:run.sh"],
  ["+m is an option too", "shell", ["bash", "+m"], "stdin"],
  ["/dev/stdin as a script is standard input", "shell", ["sh", "/dev/stdin"], "stdin"],
  ["python -c is inline", "python", ["python3", "-c", "import os"], "inline"],
  ["python -uc is inline", "python", ["python3", "-uc", "import os"], "inline"],
  ["python -m names a module", "python", ["python3", "-m", "http.server"], "file:http.server"],
  ["python - reads standard input", "python", ["python3", "-"], "stdin"],
  ["python with a file", "python", ["python3", "-W", "ignore", "/srv/a.py"], "file:/srv/a.py"],
  ["perl -MIO -e is inline", "perl", ["perl", "-MIO", "-e", "x"], "inline"],
  [
    "perl -MSocket=tcp alone is not inline though the module has an e",
    "perl",
    ["perl", "-MSocket", "a.pl"],
    "file:a.pl",
  ],
  ["perl -ne is inline", "perl", ["perl", "-ne", "print"], "inline"],
  ["ruby -rsocket -e is inline", "ruby", ["ruby", "-rsocket", "-ex"], "inline"],
  ["ruby with a file", "ruby", ["ruby", "-rsocket", "a.rb"], "file:a.rb"],
  ["php -r is inline", "php", ["php", "-r", "x"], "inline"],
  ["php -d takes a value", "php", ["php", "-d", "display_errors=1", "a.php"], "file:a.php"],
  ["php -S is a server of files", "php", ["php", "-S", "127.0.0.1:80"], "file:127.0.0.1:80"],
  ["lua -e is inline", "lua", ["lua5.4", "-e", "x"], "inline"],
  ["node -e is inline", "node", ["node", "-e", "x"], "inline"],
  ["node --eval= is inline", "node", ["node", "--eval=x"], "inline"],
  ["node -r module file", "node", ["node", "-r", "ts-node", "a.js"], "file:a.js"],
  ["awk program text is inline", "awk", ["awk", "-F", ":", "BEGIN{}"], "inline"],
  ["awk -f is a file", "awk", ["awk", "-f", "a.awk", "data"], "file:a.awk"],
  ["expect -c is inline", "expect", ["expect", "-c", "spawn sh"], "inline"],
  ["busybox sh is a shell", "busybox", ["busybox", "sh"], "stdin"],
  ["busybox under the name sh", "busybox", ["/bin/sh", "-c", "x"], "inline"],
  ["busybox nc runs no script", "busybox", ["busybox", "nc", "-e", "sh"], "none"],
  ["an unknown program runs no script", "", ["x", "-c", "y"], "none"],
  ["an empty argv does not matter", "shell", [], "stdin"],
];

test.each(ROWS)("%s", (_sentence, family, argv, expected) => {
  const source = scriptSource(family, argv);
  expect(source.kind === "file" ? `file:${source.path}` : source.kind).toBe(expected);
});
