const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz";
const EPOCH_MS = 1_577_836_800_000; // 2020-01-01, keeps the time part at eight characters until 2054

/**
 * A new id of 13 characters of Crockford base32, short enough to type and sorted by time:
 * 8 characters of milliseconds since 2020, 5 random ones.
 */
export function newId(nowMs: number): string {
  let time = Math.max(0, Math.floor(nowMs) - EPOCH_MS);
  let id = "";
  for (let index = 0; index < 8; index++) {
    id = ALPHABET.charAt(time % 32) + id;
    time = Math.floor(time / 32);
  }
  for (const byte of crypto.getRandomValues(new Uint8Array(5))) id += ALPHABET.charAt(byte & 31);
  return id;
}
