/** SIGHUP reloads, SIGTERM and SIGINT end. Caught from the first moment: by default each of them kills in mid-start. */

export interface StopSignals {
  /** The name of the signal that ends us. */
  readonly ended: Promise<string>;
  /** What a SIGHUP does from now on; one that came before is made up for. */
  onReload(reload: () => void): void;
}

export function catchSignals(): StopSignals {
  const { promise: ended, resolve } = Promise.withResolvers<string>();
  let reload: (() => void) | undefined;
  let missed = false;
  process.on("SIGHUP", () => {
    if (reload === undefined) missed = true;
    else reload();
  });
  for (const name of ["SIGTERM", "SIGINT"] as const) process.once(name, () => resolve(name));
  return {
    ended,
    onReload(next) {
      reload = next;
      if (missed) next();
    },
  };
}
