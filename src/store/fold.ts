/**
 * What is known of the latest alert of each fold key, bounded. It answers when the database cannot.
 */
import type { AlertStatus } from "../core/control.ts";

export interface LastAlert {
  readonly alertId: string;
  readonly count: number;
  readonly lastAtMs: number;
  /** False once an operator closed it: the next finding begins a new alert. */
  readonly open: boolean;
}

export interface FoldMemory {
  last(foldKey: string): LastAlert | undefined;
  remember(foldKey: string, alert: LastAlert): void;
  setOpen(alertId: string, open: boolean): void;
  clear(): void;
}

const FOLD_KEYS_MAX = 2_000;

export function foldMemory(): FoldMemory {
  const byKey = new Map<string, LastAlert>();
  return {
    last: (foldKey) => byKey.get(foldKey),
    remember: (foldKey, alert) => {
      byKey.delete(foldKey);
      byKey.set(foldKey, alert);
      if (byKey.size <= FOLD_KEYS_MAX) return;
      for (const oldest of byKey.keys()) {
        byKey.delete(oldest);
        break;
      }
    },
    setOpen: (alertId, open) => {
      for (const [key, alert] of byKey) if (alert.alertId === alertId) byKey.set(key, { ...alert, open });
    },
    clear: () => byKey.clear(),
  };
}

/** What comes after an operator closed an alert is news. */
export function foldsInto(status: AlertStatus): boolean {
  return status === "new" || status === "acknowledged";
}

/** A row `id, count, last_at_ms, status` of findings; null where there was none. */
export function rowOfAlert(row: unknown): LastAlert | null {
  if (typeof row !== "object" || row === null) return null;
  if (!("id" in row && "count" in row && "last_at_ms" in row && "status" in row)) return null;
  return {
    alertId: String(row.id),
    count: Number(row.count),
    lastAtMs: Number(row.last_at_ms),
    open: row.status === "new" || row.status === "acknowledged",
  };
}
