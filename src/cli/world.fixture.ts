/** A command's world in memory: what it printed, how it ended, and a daemon on a real socket where one is wanted. */
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Handlers } from "../core/control.ts";
import { pathsOf } from "../core/paths.ts";
import { FIXED_NOW_MS, handlersFixture, rehearsalFixture } from "../daemon/control.fixture.ts";
import { startControlServer } from "../daemon/control.ts";
import { viewsFixture } from "../daemon/views.fixture.ts";
import { runCli } from "./program.ts";
import type { Cli } from "./world.ts";

export interface Ran {
  readonly out: string;
  readonly error: string;
  readonly exit: number | undefined;
}

export interface Host {
  readonly folder: string;
  readonly run: (argv: readonly string[], over?: Partial<Cli>) => Promise<Ran>;
  readonly cli: (over?: Partial<Cli>) => Cli & { readonly ran: () => Ran };
  /** Ends by itself with the host; call the answer to end it before. */
  readonly startDaemon: (over?: Partial<Handlers>) => Promise<() => Promise<void>>;
  readonly close: () => Promise<void>;
}

/** An empty host: no daemon, no database, times in UTC where the test sets TZ. */
export function fakeHost(): Host {
  const folder = mkdtempSync(join(tmpdir(), "algo-cli-"));
  chmodSync(folder, 0o700);
  const stops: (() => Promise<void>)[] = [];
  const cli = (over: Partial<Cli> = {}): Cli & { readonly ran: () => Ran } => fakeCli(folder, over);
  return {
    folder,
    cli,
    run: async (argv, over = {}) => {
      const world = cli(over);
      await runCli(world, argv);
      return world.ran();
    },
    startDaemon: async (over = {}) => {
      const path = pathsOf({ ALGO_RUN: folder }).controlSocket;
      const started = await startControlServer({ path, handlers: handlersFixture(over), onFault: () => undefined });
      if (!started.ok) throw new Error(started.fault.message);
      stops.push(started.value.stop);
      return started.value.stop;
    },
    close: async () => {
      for (const stop of stops.splice(0)) await stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function fakeCli(folder: string, over: Partial<Cli>): Cli & { readonly ran: () => Ran } {
  let out = "";
  let error = "";
  let exit: number | undefined;
  const never = new AbortController().signal;
  return {
    out: (text) => {
      out += text;
    },
    error: (text) => {
      error += text;
    },
    colour: false,
    columns: undefined,
    errorIsTerminal: false,
    interactive: false,
    ask: () => Promise.reject(new Error("nobody may be asked here")),
    environment: {},
    uid: 0,
    pid: process.pid,
    user: "alice",
    paths: pathsOf({ ALGO_HOME: folder, ALGO_RUN: folder }),
    clock: { nowMs: () => FIXED_NOW_MS, monotonicMs: () => 0 },
    procRoot: "/proc",
    stop: () => never,
    exit: (code) => {
      exit = code;
    },
    daemon: {
      runDaemon: async () => async () => 0,
      rehearseOnce: async () => async () => rehearsalFixture({ sweptBy: "one-shot" }),
      lookOnce: async () => viewsFixture("one-shot"),
    },
    ran: () => ({ out, error, exit }),
    ...over,
  };
}
