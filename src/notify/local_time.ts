/**
 * Local time for people, in the zone the host has now: `timedatectl set-timezone` is honoured within ten seconds
 * without a restart, which the runtime's own idea of local time, taken once at start, is not.
 */
import { readlinkSync } from "node:fs";
import type { Clock } from "../core/clock.ts";

export interface LocalTime {
  /** `YYYY-MM-DD HH:MM:SS`. */
  stamp(atMs: number): string;
  /** `HH:MM`. */
  minute(atMs: number): string;
}

export interface ZoneSource {
  /** An IANA name; undefined for the runtime's own idea. */
  zone(): string | undefined;
}

const ZONE_CHECK_EVERY_MS = 10_000;

export function localTime(clock: Clock, source: ZoneSource = hostZone): LocalTime {
  let zone: string | undefined;
  let formatter: Intl.DateTimeFormat | undefined;
  let checkedAtMonotonicMs = Number.NEGATIVE_INFINITY;

  function current(): Intl.DateTimeFormat {
    const nowMs = clock.monotonicMs();
    if (formatter === undefined || nowMs - checkedAtMonotonicMs >= ZONE_CHECK_EVERY_MS) {
      checkedAtMonotonicMs = nowMs;
      const found = source.zone();
      if (formatter === undefined || found !== zone) {
        zone = found;
        formatter = formatterFor(found);
      }
    }
    return formatter;
  }

  function stamp(atMs: number): string {
    // Beyond what a Date holds, formatting throws; a wrong clock must not stop a log line.
    const parts = new Map(
      current()
        .formatToParts(Number.isFinite(new Date(atMs).getTime()) ? atMs : 0)
        .map((part) => [part.type, part.value]),
    );
    const part = (name: Intl.DateTimeFormatPartTypes) => parts.get(name) ?? "00";
    return `${part("year").padStart(4, "0")}-${part("month")}-${part("day")} ${part("hour")}:${part("minute")}:${part("second")}`;
  }

  return { stamp, minute: (atMs) => stamp(atMs).slice(11, 16) };
}

function formatterFor(zone: string | undefined): Intl.DateTimeFormat {
  const format: Intl.DateTimeFormatOptions = {
    year: "numeric",
    month: "2-digit",
    day: "2-digit",
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    hourCycle: "h23",
    calendar: "gregory",
    numberingSystem: "latn",
  };
  try {
    return new Intl.DateTimeFormat("en-US", zone === undefined ? format : { ...format, timeZone: zone });
  } catch {
    return new Intl.DateTimeFormat("en-US", format);
  }
}

/** TZ of the environment, else where /etc/localtime leads. */
const hostZone: ZoneSource = {
  zone: () => {
    const fromEnvironment = process.env["TZ"];
    if (fromEnvironment !== undefined && fromEnvironment !== "") return fromEnvironment.replace(/^:/, "");
    try {
      return /\/zoneinfo\/(?:posix\/|right\/)?(.+)$/.exec(readlinkSync("/etc/localtime"))?.[1];
    } catch {
      return undefined;
    }
  },
};
