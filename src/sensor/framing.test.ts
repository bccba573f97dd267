import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { createFramer, HEADER_BYTES, RECORD_BYTES_MAX } from "./framing.ts";

function record(sizeBytes: number, fill = 7, lane = 1): Uint8Array {
  const bytes = new Uint8Array(sizeBytes).fill(fill);
  new DataView(bytes.buffer).setUint16(0, sizeBytes, true);
  bytes[2] = 4;
  bytes[3] = lane;
  return bytes;
}

const whole = [record(16), record(40), record(288), record(RECORD_BYTES_MAX)];
const stream = new Uint8Array(whole.flatMap((one) => [...one]));

describe("records are cut out of the stream", () => {
  test("however it was chopped on the way", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 500 }), { minLength: 1, maxLength: 40 }), (steps) => {
        const framer = createFramer();
        const found: Uint8Array[] = [];
        let at = 0;
        for (let step = 0; at < stream.byteLength; step++) {
          const to = at + (steps[step % steps.length] ?? 1);
          const taken = framer.take(stream.slice(at, to));
          expect(taken.fault).toBeUndefined();
          found.push(...taken.records.map((one) => one.slice()));
          at = to;
        }
        expect(found).toEqual(whole);
      }),
      { numRuns: 60 },
    );
  });

  const senseless: readonly (readonly [string, Uint8Array])[] = [
    ["a record that says it is shorter than its header", record(16).with(0, 15)],
    ["a record that says it is longer than any", record(16).with(1, 0x40)],
    ["a lane that does not exist", record(16, 7, 4)],
  ];
  for (const [name, bytes] of senseless) {
    test(`${name} ends the stream, also for what follows`, () => {
      const framer = createFramer();
      expect(framer.take(bytes)).toMatchObject({ records: [], fault: { kind: "invalid" } });
      expect(framer.take(record(16))).toMatchObject({ records: [], fault: { kind: "invalid" } });
    });
  }

  test("what came before the senseless one still counts", () => {
    const framer = createFramer();
    const both = new Uint8Array([...record(40), ...record(16, 7, 9)]);
    const { records, fault } = framer.take(both);
    expect([records.length, fault?.kind]).toEqual([1, "invalid"]);
  });

  test("any bytes at all: nothing is thrown, nothing longer than what came is given back", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 3000 }), { maxLength: 8 }), (chunks) => {
        const framer = createFramer();
        let came = 0;
        let gave = 0;
        for (const chunk of chunks) {
          came += chunk.byteLength;
          const taken = framer.take(chunk);
          for (const one of taken.records) {
            expect(one.byteLength).toBeGreaterThanOrEqual(HEADER_BYTES);
            gave += one.byteLength;
          }
        }
        expect(gave).toBeLessThanOrEqual(came);
      }),
      { seed: 4, numRuns: 500 },
    );
  });
});
