/**
 * The kinds of value a config key may hold: paths, units, users, patterns, addresses, dates.
 * Trusts nothing it is given. Patterns are compiled once here to learn whether re2 takes them (microseconds each).
 */
import { isIP } from "node:net";
import { RE2JS } from "re2js";
import * as z from "zod";
import { untilMs } from "../core/exception.ts";
import { messageOf } from "../core/result.ts";

/** Lists are bounded so that a runaway generator of a config cannot make the daemon slow. */
const LIST_LENGTH_MAX = 10_000;
const TEXT_LENGTH_MAX = 4096;
const PATTERN_LENGTH_MAX = 1000;

/** A complaint becomes the message and the remedy of a Problem. */
interface Complaint {
  readonly message: string;
  readonly remedy: string;
}

export function list<S extends z.ZodType>(element: S, lengthMax = LIST_LENGTH_MAX): z.ZodArray<S> {
  return z.array(element).max(lengthMax);
}

/** A string that a check accepts or complains of. */
function checkedText(check: (text: string) => Complaint | undefined): z.ZodString {
  return z
    .string()
    .min(1)
    .max(TEXT_LENGTH_MAX)
    .superRefine((text, context) => {
      const complaint = check(text);
      if (complaint === undefined) return;
      context.addIssue({ code: "custom", message: complaint.message, params: { remedy: complaint.remedy } });
    });
}

/** Anything but control characters. */
export const plainText = checkedText((text) => controlCharacters(text));

/** One file: absolute, without `.`, `..`, doubled or trailing slashes, so that it can equal what the kernel shows. */
export const absolutePath = checkedText((text) => {
  const control = controlCharacters(text);
  if (control !== undefined) return control;
  if (!text.startsWith("/")) {
    return { message: "is not an absolute path", remedy: "Start it with /, for example /usr/bin/rsync." };
  }
  if (text.includes("*")) {
    return { message: "holds a wildcard; paths here are compared literally", remedy: "Write one entry for each file." };
  }
  if (/\/(\.{0,2})(\/|$)/.test(text)) {
    return {
      message: "is not in its plain form (a `.`, `..`, doubled or trailing slash)",
      remedy: "Write the path as `realpath FILE` prints it.",
    };
  }
  return undefined;
}).meta({ pattern: "^/" });

/** A folder, globs allowed, as the old service wrote them. */
export const directoryGlob = checkedText((text) => {
  if (text.startsWith("/")) return controlCharacters(text);
  return { message: "is not an absolute path", remedy: "Start it with /, for example /usr/bin/." };
}).meta({ pattern: "^/" });

/** A file, or files: `*` for part of a name, `/**` at the end. At least one component is given. */
export const fileGlob = checkedText((text) => {
  const control = controlCharacters(text);
  if (control !== undefined) return control;
  if (!text.startsWith("/"))
    return { message: "is not an absolute path", remedy: "Start it with /, for example /etc/." };
  const parts = text.slice(1).split("/");
  if (parts.some((part) => part === "" || part === "." || part === ".."))
    return {
      message: "is not in its plain form (a `.`, `..`, doubled or trailing slash)",
      remedy: "Write one file, /etc/app.conf, or all that is below a directory, /etc/app/**.",
    };
  if (parts.some((part, index) => part.includes("**") && !(part === "**" && index === parts.length - 1)))
    return { message: "has ** in another place than the end", remedy: "Write * for part of a name, /** at the end." };
  if (!/[^/*]/.test(text)) return { message: "fits every file", remedy: "Name at least one directory." };
  return undefined;
}).meta({ pattern: "^/" });

const UNIT = /^[\w:.@\\-]+\.(service|scope|slice|socket|timer|mount|path|swap|device|target|automount)$/;

export const unitName = checkedText((text) => {
  if (UNIT.test(text)) return undefined;
  return {
    message: "is not the full name of a systemd unit",
    remedy: "Write it with its kind, as `systemctl list-units` shows it, for example postgresql@15-main.service.",
  };
}).meta({ examples: ["postgresql@15-main.service"] });

/** A user's name, or a numeric uid. */
export const userName = checkedText((text) => {
  if (/^[^\s:/\p{C}]{1,256}$/u.test(text)) return undefined;
  return { message: "is not a user name or a uid", remedy: "Write the name as `id -un` prints it, or the number." };
});

/** Searched for anywhere in the text; linear time whatever it is. */
export const pattern = checkedText((text) => patternComplaint(text)).meta({ description: "An RE2 pattern." });

/** A pattern that must narrow something down. */
export const narrowingPattern = checkedText((text) => {
  const complaint = patternComplaint(text);
  if (complaint !== undefined) return complaint;
  const compiled = RE2JS.compile(text);
  if (!compiled.test("") || !compiled.test("\u0001 ~ algo ~ \u0001")) return undefined;
  return {
    message: "matches every command line, so it narrows nothing",
    remedy: "Name the part that makes this command line yours, for example ^/usr/bin/rsync --server .",
  };
});

function patternComplaint(text: string): Complaint | undefined {
  if (text.length > PATTERN_LENGTH_MAX) {
    return {
      message: `is a pattern of ${text.length} characters, at most ${PATTERN_LENGTH_MAX} are taken`,
      remedy: "Split it into several.",
    };
  }
  try {
    RE2JS.compile(text);
    return undefined;
  } catch (thrown) {
    return {
      message: `is refused as a pattern: ${messageOf(thrown).replace("error parsing regexp: ", "")}`,
      remedy:
        "Patterns are RE2: no lookaround, no back-references, repeats up to 1000; a backslash is written twice in JSON.",
    };
  }
}

/** One address or a network. `/0` is refused: it would mean everybody. */
export const addressOrNetwork = checkedText((text) => addressComplaint(text));

/** An address, a network or a host name of a mining pool. */
export const poolPeer = checkedText((text) => {
  if (isAddressLike(text)) return addressComplaint(text);
  if (isHostName(text)) return undefined;
  const bare = text.replace(/^[a-z0-9+.-]+:\/\//i, "").replace(/[:/].*$/, "");
  const meant = isHostName(bare) || isIP(bare) !== 0 ? `Write only ${bare}.` : "For example pool.example.org.";
  return { message: "is not an address, a network or a host name", remedy: meant };
});

function addressComplaint(text: string): Complaint | undefined {
  const [address = "", prefix, ...rest] = text.split("/");
  const version = address.includes("%") ? 0 : isIP(address);
  const bits = version === 4 ? 32 : 128;
  if (version === 0 || rest.length > 0 || (prefix !== undefined && !isPrefix(prefix, bits))) {
    return {
      message: "is not an IP address or network",
      remedy: "For example 203.0.113.7, 203.0.113.0/24, 2001:db8::/32; no port, no zone, no name.",
    };
  }
  if (prefix !== undefined && Number(prefix) === 0) {
    return { message: "means every address there is", remedy: "Name the network that is meant, or leave it out." };
  }
  return undefined;
}

function isPrefix(text: string, bits: number): boolean {
  return /^\d{1,3}$/.test(text) && Number(text) <= bits;
}

function isAddressLike(text: string): boolean {
  return /^[\d./]+$/.test(text) || (/^[\da-f:./%]+$/i.test(text) && text.split(":").length > 2);
}

function isHostName(text: string): boolean {
  const label = /^(?!-)[a-z0-9_-]{1,63}(?<!-)$/i;
  const labels = text.replace(/\.$/, "").split(".");
  return text.length <= 253 && labels.length >= 2 && labels.every((part) => label.test(part)) && !/^[\d.]+$/.test(text);
}

const DAY_OR_MOMENT = /^(\d{4}-\d{2}-\d{2})(T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:\d{2})?)?$/;

/** A day of the calendar, or a moment of it. When it is over is core's to say. */
export const untilDate = checkedText((text) => {
  const day = DAY_OR_MOMENT.exec(text)?.[1];
  // The day is asked apart: some readings of a moment roll 30 February over into March.
  if (day !== undefined && !Number.isNaN(untilMs(day)) && !Number.isNaN(untilMs(text))) return undefined;
  return {
    message: "is not a date of the calendar",
    remedy: "Write a day like 2027-12-31 (it counts to its end, local time) or a moment like 2027-12-31T18:00:00Z.",
  };
});

/** Where notices are posted: https, or http to this host itself. No user or password in it: they would be logged. */
export const webhookUrl = checkedText((text) => {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isLocal = url !== undefined && ["localhost", "127.0.0.1", "[::1]"].includes(url.hostname);
  if (url === undefined || !(url.protocol === "https:" || (url.protocol === "http:" && isLocal))) {
    return {
      message: "is not an https address",
      remedy: "For example https://alerts.example.org/hook; http only to this host itself.",
    };
  }
  if (url.username === "" && url.password === "") return undefined;
  return { message: "holds a user name or password", remedy: "Use `secret`: it signs the body." };
});

function controlCharacters(text: string): Complaint | undefined {
  if (!/\p{Cc}/u.test(text)) return undefined;
  return { message: "holds a control character", remedy: "Remove it; a tab or line break is often pasted along." };
}
