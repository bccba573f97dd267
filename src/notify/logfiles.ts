/** The four text logs, one a severity: `[YYYY-MM-DD HH:MM:SS] message` in local time, one notice one line. */
import type { Clock } from "../core/clock.ts";
import type { Severity } from "../core/nouns.ts";
import { printable } from "../core/printable.ts";
import { type LocalTime, localTime } from "./local_time.ts";
import type { Output } from "./output.ts";
import { type LogBounds, type RotatingFile, rotatingFile } from "./rotating_file.ts";

export interface LogFilesOptions {
  /** e.g. `/opt/.monitor/logs`. */
  readonly directory: string;
  readonly clock: Clock;
  /** Asked at each use, so that a reload of the configuration takes effect. */
  readonly bounds?: () => LogBounds;
  readonly time?: LocalTime;
}

export function logFiles(options: LogFilesOptions): Output {
  const time = options.time ?? localTime(options.clock);
  const files: Readonly<Record<Severity, RotatingFile>> = {
    ALERT: rotatingFile({ ...options, name: "alert.log" }),
    WARNING: rotatingFile({ ...options, name: "warning.log" }),
    INFO: rotatingFile({ ...options, name: "info.log" }),
    ERROR: rotatingFile({ ...options, name: "error.log" }),
  };
  return {
    name: "log-files",
    filtered: true,
    accepts: () => true,
    send: (notice) => files[notice.severity].append(`[${time.stamp(notice.atMs)}] ${printable(notice.message)}\n`),
    maintain: () => {
      for (const file of Object.values(files)) file.maintain();
    },
    close: () => {
      for (const file of Object.values(files)) file.close();
    },
  };
}
