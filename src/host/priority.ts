/** Makes the calling thread the last in the queue for the processor and the disk: what it does can wait, a kill cannot. */
import { setThreadIoPriority, setThreadNice } from "./libc.ts";

const NICE = 10;
/** ioprio_set(2): class in the upper three of 16 bits. */
const IO_CLASS_IDLE = 3 << 13;

export interface BackgroundPriority {
  readonly processor: boolean;
  readonly disk: boolean;
}

/** What of it the kernel granted. Concerns this thread alone, and threads it starts later. */
export function takeBackgroundPriority(): BackgroundPriority {
  return { processor: setThreadNice(NICE) === 0, disk: setThreadIoPriority(IO_CLASS_IDLE) === 0 };
}
