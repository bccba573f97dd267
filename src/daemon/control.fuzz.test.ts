import { afterEach, describe, expect, test } from "bun:test";
import { METHOD_NAMES } from "../core/control_wire.ts";
import { fail } from "../core/result.ts";
import { handlersFixture } from "./control.fixture.ts";
import { cleanUp, request, serve, talk } from "./control_client.fixture.ts";

afterEach(cleanUp);

describe("hostile bytes", () => {
  test("2,000 seeded mutations of requests never stop the socket, and every line answered is JSON", async () => {
    const random = seeded(20260314);
    const handlers = handlersFixture({ trust: async () => fail("io", "no") });
    const { path, server } = await serve({ handlers, limits: { malformedMax: 1_000_000, waitingMax: 1000 } });
    const seeds = METHOD_NAMES.map((method) =>
      request(method, { id: "a", status: "new", reason: "r", path: "/x", minutes: 5 }),
    );
    for (let round = 0; round < 40; round++) {
      const client = await talk(path);
      for (let index = 0; index < 50; index++)
        client.send(mutate(new TextEncoder().encode(seeds[Math.floor(random() * seeds.length)] ?? ""), random));
      client.send(`\n${request("version", {}, 999_999)}`);
      let answer: unknown;
      do answer = await client.line();
      while (!(typeof answer === "object" && answer !== null && Reflect.get(answer, "id") === 999_999));
      client.end();
      await client.closed;
    }
    const client = await talk(path);
    client.send(request("version"));
    expect(await client.line()).toMatchObject({ ok: true });
    expect(server.status().malformed).toBeGreaterThan(500);
  });
});

function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

function mutate(bytes: Uint8Array, random: () => number): Uint8Array {
  const copy = Uint8Array.from(bytes);
  const position = Math.floor(random() * copy.length);
  switch (Math.floor(random() * 5)) {
    case 0:
      copy[position] = Math.floor(random() * 256);
      return copy;
    case 1:
      return copy.subarray(0, position);
    case 2:
      return Uint8Array.from([...copy.subarray(0, position), 0xff, 0xfe, 0, ...copy.subarray(position)]);
    case 3:
      return Uint8Array.from([...new TextEncoder().encode("[".repeat(5000)), ...copy]);
    default:
      return copy;
  }
}
