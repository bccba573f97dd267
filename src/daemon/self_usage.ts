/** What the daemon itself costs. */
import pidusage from "pidusage";
import type { SelfUsage } from "../core/control.ts";

export async function selfUsage(): Promise<SelfUsage> {
  try {
    const usage = await pidusage(process.pid);
    return { rssBytes: usage.memory, cpuPercent: usage.cpu };
  } catch {
    return { rssBytes: process.memoryUsage.rss(), cpuPercent: 0 };
  }
}
