/** What a DNS message asks and answers (RFC 1035), as far as a guard wants to know it. Bytes of strangers: nothing throws. Pure. */
import { shortenedAddress } from "./address.ts";

export interface DnsMessage {
  readonly isAnswer: boolean;
  /** Dotted, lower case, without the last dot; what is no letter of a host name is escaped as `\DDD`. */
  readonly name: string;
  /** `A`, `AAAA`, ...; `TYPE65280` for one without a name here. */
  readonly questionType: string;
  /** Of an answer: the addresses of that name, whatever it is an alias of. */
  readonly addresses: readonly string[];
}

const HEADER_BYTES = 12;
const NAME_CHARACTERS_MAX = 255;
const POINTERS_MAX = 16;
const RECORDS_MAX = 64;
const TYPES: Readonly<Record<number, string>> = {
  1: "A",
  2: "NS",
  5: "CNAME",
  6: "SOA",
  12: "PTR",
  15: "MX",
  16: "TXT",
  28: "AAAA",
  33: "SRV",
  35: "NAPTR",
  43: "DS",
  48: "DNSKEY",
  64: "SVCB",
  65: "HTTPS",
  255: "ANY",
};

/** Undefined for what is no message with one question. The end may be cut off: records that are whole count. */
export function parseDns(bytes: Uint8Array): DnsMessage | undefined {
  if (bytes.byteLength < HEADER_BYTES + 5) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const flags = view.getUint16(2);
  const isQuery = (flags & 0x7800) === 0;
  if (!isQuery || view.getUint16(4) !== 1) return undefined;
  const question = nameAt(bytes, HEADER_BYTES);
  if (question === undefined || question.next + 4 > bytes.byteLength) return undefined;
  const type = view.getUint16(question.next);
  const isAnswer = (flags & 0x8000) !== 0;
  return {
    isAnswer,
    name: question.name,
    questionType: TYPES[type] ?? `TYPE${type}`,
    addresses: isAnswer ? addressesIn(bytes, view, question.next + 4, view.getUint16(6)) : [],
  };
}

function addressesIn(bytes: Uint8Array, view: DataView, from: number, records: number): readonly string[] {
  const found: string[] = [];
  let at = from;
  for (let number = 0; number < Math.min(records, RECORDS_MAX); number++) {
    const name = nameAt(bytes, at);
    if (name === undefined || name.next + 10 > bytes.byteLength) break;
    const type = view.getUint16(name.next);
    const length = view.getUint16(name.next + 8);
    const data = name.next + 10;
    if (data + length > bytes.byteLength) break;
    if (type === 1 && length === 4) found.push([...bytes.subarray(data, data + 4)].join("."));
    if (type === 28 && length === 16) found.push(address6(view, data));
    at = data + length;
  }
  return found;
}

function address6(view: DataView, at: number): string {
  const groups = Array.from({ length: 8 }, (_, index) => view.getUint16(at + 2 * index).toString(16));
  return shortenedAddress(groups.join(":"));
}

function nameAt(bytes: Uint8Array, start: number): { readonly name: string; readonly next: number } | undefined {
  const labels: string[] = [];
  let at = start;
  let next: number | undefined;
  let characters = 0;
  for (let pointers = 0; pointers <= POINTERS_MAX; ) {
    const length = bytes[at];
    if (length === undefined) return undefined;
    if (length === 0) return { name: labels.join("."), next: next ?? at + 1 };
    if (length >= 0xc0) {
      const low = bytes[at + 1];
      if (low === undefined) return undefined;
      next ??= at + 2;
      at = ((length & 0x3f) << 8) | low;
      pointers++;
      continue;
    }
    characters += length + 1;
    if (length > 63 || characters > NAME_CHARACTERS_MAX || at + 1 + length > bytes.byteLength) return undefined;
    labels.push(labelText(bytes.subarray(at + 1, at + 1 + length)));
    at += 1 + length;
  }
  return undefined;
}

function labelText(label: Uint8Array): string {
  return [...label]
    .map((byte) => {
      const character = String.fromCharCode(byte).toLowerCase();
      return /[a-z0-9_-]/.test(character) ? character : `\\${String(byte).padStart(3, "0")}`;
    })
    .join("");
}
