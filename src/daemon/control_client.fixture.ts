/** A real control server on a scratch socket and a client that may say anything. */
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { handlersFixture } from "./control.fixture.ts";
import { type ControlServer, type ControlServerOptions, startControlServer } from "./control.ts";

const cleanups: (() => Promise<void> | void)[] = [];
/** For `afterEach`. */
export async function cleanUp(): Promise<void> {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
}

export function scratch(): string {
  const folder = mkdtempSync(join(tmpdir(), "algo-control-"));
  chmodSync(folder, 0o700);
  cleanups.push(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, "control.sock");
}

export async function serve(
  over: Partial<ControlServerOptions> = {},
): Promise<{ path: string; server: ControlServer; faults: string[] }> {
  const path = over.path ?? scratch();
  const faults: string[] = [];
  const started = await startControlServer({
    path,
    handlers: handlersFixture(),
    onFault: (fault) => faults.push(fault.message),
    ...over,
  });
  if (!started.ok) throw new Error(started.fault.message);
  cleanups.push(() => started.value.stop());
  return { path, server: started.value, faults };
}

interface Talk {
  readonly send: (data: string | Uint8Array) => void;
  readonly line: () => Promise<unknown>;
  readonly closed: Promise<void>;
  readonly end: () => void;
  readonly pause: () => void;
}

export async function talk(path: string): Promise<Talk> {
  const lines: string[] = [];
  const waiting: ((line: string) => void)[] = [];
  const closed = Promise.withResolvers<void>();
  let text = "";
  const decoder = new TextDecoder();
  const queue: Uint8Array[] = [];
  const push = (socket: { write(data: Uint8Array): number }): void => {
    for (let part = queue[0]; part !== undefined; part = queue[0]) {
      const written = Math.max(0, socket.write(part));
      if (written < part.length) {
        queue[0] = part.subarray(written);
        return;
      }
      queue.shift();
    }
  };
  const socket = await Bun.connect({
    unix: path,
    socket: {
      data: (_socket, bytes) => {
        text += decoder.decode(bytes, { stream: true });
        for (let end = text.indexOf("\n"); end !== -1; end = text.indexOf("\n")) {
          const line = text.slice(0, end);
          text = text.slice(end + 1);
          const waiter = waiting.shift();
          if (waiter === undefined) lines.push(line);
          else waiter(line);
        }
      },
      drain: push,
      close: () => closed.resolve(),
      error: () => closed.resolve(),
    },
  });
  cleanups.push(() => socket.terminate());
  return {
    send: (data) => {
      queue.push(typeof data === "string" ? new TextEncoder().encode(data) : data);
      push(socket);
    },
    line: async () => {
      const line = lines.shift() ?? (await new Promise<string>((resolve) => waiting.push(resolve)));
      const value: unknown = JSON.parse(line);
      return value;
    },
    closed: closed.promise,
    end: () => socket.end(),
    pause: () => socket.pause(),
  };
}

export function request(method: string, params: unknown = {}, id = 1): string {
  return `${JSON.stringify({ id, method, params })}\n`;
}
