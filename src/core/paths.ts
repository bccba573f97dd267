/** Where things live on a host. Tests and staging move the two roots; the unit clears both variables. */

export interface Paths {
  readonly home: string;
  readonly configFile: string;
  readonly lastGoodConfigFile: string;
  readonly rulesDirectory: string;
  /** The site's own rules, never touched by an upgrade. */
  readonly siteRulesDirectory: string;
  readonly logsDirectory: string;
  readonly databaseFile: string;
  /** What the files of PROTECTED_DIRECTORIES were like. */
  readonly filesDatabaseFile: string;
  /** Which logins were told already. */
  readonly sessionsFile: string;
  /** Which addresses are refused. */
  readonly blocksFile: string;
  /** Notices that wait for a place off the host. */
  readonly spoolDirectory: string;
  readonly runDirectory: string;
  readonly controlSocket: string;
}

export function pathsOf(environment: Readonly<Record<string, string | undefined>>): Paths {
  const home = directory(environment["ALGO_HOME"], "/opt/.monitor");
  const run = directory(environment["ALGO_RUN"], "/run/algo-monitor");
  return {
    home,
    configFile: `${home}/config.json`,
    lastGoodConfigFile: `${home}/config.last-good.json`,
    rulesDirectory: `${home}/rules`,
    siteRulesDirectory: `${home}/rules.d`,
    logsDirectory: `${home}/logs`,
    databaseFile: `${home}/algo-monitor.db`,
    filesDatabaseFile: `${home}/files.db`,
    sessionsFile: `${home}/sessions.json`,
    blocksFile: `${home}/blocks.json`,
    spoolDirectory: `${home}/spool`,
    runDirectory: run,
    controlSocket: `${run}/control.sock`,
  };
}

/** A relative or empty override would depend on the working directory, so it is not one. */
function directory(override: string | undefined, standard: string): string {
  if (override === undefined || !override.startsWith("/")) return standard;
  const trimmed = override.replace(/\/+$/, "");
  return trimmed === "" ? standard : trimmed;
}
