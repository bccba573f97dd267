/** Turns values into lines for a terminal: escaped, aligned, coloured only where somebody looks. Pure. */

export type Paint = "bold" | "dim" | "red" | "yellow" | "green" | "cyan";
const CODES: Readonly<Record<Paint, readonly [number, number]>> = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  yellow: [33, 39],
  green: [32, 39],
  cyan: [36, 39],
};

export function painter(colour: boolean): (text: string, paint: Paint) => string {
  if (!colour) return (text) => text;
  return (text, paint) => `\u001b[${CODES[paint][0]}m${text}\u001b[${CODES[paint][1]}m`;
}

/** Rows under a header, columns two spaces apart; the last column is cut to fit `columns` where that is known. */
export function table(header: readonly string[], rows: readonly (readonly string[])[], columns?: number): string {
  const all = [header, ...rows];
  const widths = header.map((_, index) => Math.max(...all.map((row) => Bun.stringWidth(row[index] ?? ""))));
  const before = widths.slice(0, -1).reduce((sum, width) => sum + width + 2, 0);
  const lastMax = columns === undefined ? Number.POSITIVE_INFINITY : Math.max(16, columns - before);
  const lines = all.map((row) => {
    const cells = row.map((cell, index) => {
      if (index === row.length - 1) return cutToWidth(cell, lastMax);
      return cell + " ".repeat(Math.max(0, (widths[index] ?? 0) - Bun.stringWidth(cell)));
    });
    return cells.join("  ").trimEnd();
  });
  return `${lines.join("\n")}\n`;
}

function cutToWidth(text: string, widthMax: number): string {
  // Colours count nothing; only plain text is cut, which is what last columns hold.
  if (Bun.stringWidth(text) <= widthMax || text.includes("\u001b")) return text;
  let result = "";
  let width = 0;
  for (const character of text) {
    const next = Bun.stringWidth(character);
    if (width + next > widthMax - 1) break;
    width += next;
    result += character;
  }
  return `${result}…`;
}

/** `name   value` lines with the names aligned, indented by two. */
export function pairs(rows: readonly (readonly [string, string])[]): string {
  const width = Math.max(0, ...rows.map(([name]) => Bun.stringWidth(name)));
  return rows
    .map(([name, value]) => `  ${name}${" ".repeat(width - Bun.stringWidth(name) + 2)}${value}`.trimEnd())
    .join("\n")
    .concat("\n");
}

/** `2026-03-14 12:00:00` in local time. */
export function localTime(atMs: number): string {
  const date = new Date(atMs);
  if (Number.isNaN(date.getTime())) return "unknown time";
  const two = (value: number): string => String(value).padStart(2, "0");
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

/** `3 min ago`, `in 2 h`, `now`. */
export function relativeTime(atMs: number, nowMs: number): string {
  const distanceMs = Math.abs(nowMs - atMs);
  if (distanceMs < 1000) return "now";
  const text = duration(distanceMs);
  return atMs <= nowMs ? `${text} ago` : `in ${text}`;
}

export function timeWithHint(atMs: number, nowMs: number): string {
  return `${localTime(atMs)} (${relativeTime(atMs, nowMs)})`;
}

/** The largest fitting unit, rounded down: `45 s`, `12 min`, `3 h`, `9 d`. */
export function duration(ms: number): string {
  const units = [
    [86_400_000, "d"],
    [3_600_000, "h"],
    [60_000, "min"],
    [1000, "s"],
  ] as const;
  const unit = units.find(([size]) => ms >= size);
  return unit === undefined ? `${Math.max(0, Math.round(ms))} ms` : `${Math.floor(ms / unit[0])} ${unit[1]}`;
}

export function bytes(count: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"] as const;
  let value = count;
  let index = 0;
  while (value >= 1024 && index < units.length - 1) {
    value /= 1024;
    index++;
  }
  return `${index === 0 ? value : value.toFixed(1)} ${units[index] ?? "B"}`;
}

export function milliseconds(ms: number): string {
  return ms < 100 ? `${ms.toFixed(1)} ms` : `${Math.round(ms)} ms`;
}

/** `1 alert`, `2 alerts`. */
export function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

/**
 * `30m`, `2h`, `1h30m`, `1d`, `45 min`, `90` (minutes) as minutes; undefined for what is none.
 * Seconds are not offered: nobody can react in less than a minute.
 */
export function parseMinutes(text: string): number | undefined {
  const compact = text.trim().toLowerCase().replaceAll(" ", "");
  if (/^\d{1,6}$/.test(compact)) return Number(compact);
  if (!/^(\d{1,6}(d|h|min|m))+$/.test(compact)) return undefined;
  const size: Readonly<Record<string, number>> = { d: 1440, h: 60, min: 1, m: 1 };
  let minutes = 0;
  for (const [, count, unit] of compact.matchAll(/(\d+)(d|h|min|m)/g))
    minutes += Number(count) * (size[unit ?? ""] ?? 0);
  return minutes;
}

/** `2h` before now, an ISO date (local midnight) or date-time, as milliseconds; undefined for what is none. */
export function parseSince(text: string, nowMs: number): number | undefined {
  const minutes = /^\d+$/.test(text.trim()) ? undefined : parseMinutes(text);
  if (minutes !== undefined) return nowMs - minutes * 60_000;
  const iso = text.trim().replace(" ", "T");
  if (!/^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2})?)?$/.test(iso)) return undefined;
  const atMs = new Date(iso.length === 10 ? `${iso}T00:00:00` : iso).getTime();
  return Number.isNaN(atMs) ? undefined : atMs;
}
