// What matchers read of one event: its fields by slot, with the text and lower-case forms made once an event.
// Trusts that nobody changes the fields while it is loaded. One view serves an engine for ever.
import { FIELDS } from "../../core/fields.ts";
import type { Fields, FieldValue } from "../../core/nouns.ts";

export type Texts = string | readonly string[];

const NAMES: string[] = FIELDS.map((field) => field.name);
const SLOTS = new Map<string, number>(NAMES.map((name, slot) => [name, slot]));

/**
 * The number under which a field's derived forms are kept. Rules may only name fields of the closed list, so the
 * table grows past it only where a caller compiles against another vocabulary.
 */
export function slotOf(name: string): number {
  const known = SLOTS.get(name);
  if (known !== undefined) return known;
  const slot = NAMES.length;
  NAMES.push(name);
  SLOTS.set(name, slot);
  return slot;
}

export class EventView {
  private fields: Fields = {};
  private generation = 0;
  private readonly stamps: number[] = [];
  private readonly cache: (Texts | undefined)[] = [];

  /** From now on the view shows this event. */
  load(fields: Fields): this {
    this.fields = fields;
    this.generation++;
    return this;
  }

  all(): Fields {
    return this.fields;
  }

  raw(slot: number): FieldValue | undefined {
    return this.fields[NAMES[slot] ?? ""];
  }

  /** As written; numbers and booleans as text. */
  text(slot: number): Texts | undefined {
    const value = this.raw(slot);
    return value === undefined || typeof value === "string" ? value : textOf(value);
  }

  /** In lower case, made once an event. */
  folded(slot: number): Texts | undefined {
    if (this.stamps[slot] === this.generation) return this.cache[slot];
    const text = this.text(slot);
    const folded = text === undefined ? undefined : foldedOf(text);
    this.stamps[slot] = this.generation;
    this.cache[slot] = folded;
    return folded;
  }
}

export function textOf(value: FieldValue): Texts {
  if (typeof value === "string") return value;
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  return value.map(String);
}

function foldedOf(text: Texts): Texts {
  return typeof text === "string" ? text.toLowerCase() : text.map((item) => item.toLowerCase());
}
