/** What can go wrong in the world is a value of this type; what can only be our bug is an assertion. */
export type Result<T, F = Fault> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly fault: F };

/** The closed list of fault kinds. A kind is also the label under which faults are counted in `status`. */
export type FaultKind =
  | "gone" // the process, socket or file no longer exists
  | "denied" // the kernel refused
  | "invalid" // foreign input that does not parse
  | "limit" // a bound was reached
  | "unsupported" // this kernel or host lacks it
  | "timeout"
  | "io"; // everything else the operating system answered

export interface Fault {
  readonly kind: FaultKind;
  /** What happened to what, in one sentence an operator understands. */
  readonly message: string;
  /** What to do about it, where there is something to do. */
  readonly remedy?: string;
}

export function ok<T>(value: T): { readonly ok: true; readonly value: T } {
  return { ok: true, value };
}

export function fail(kind: FaultKind, message: string, remedy?: string): { readonly ok: false; readonly fault: Fault } {
  return { ok: false, fault: remedy === undefined ? { kind, message } : { kind, message, remedy } };
}

/** Compile-time proof that a switch is exhaustive; reached at run time only by our own bug. */
export function unreachable(value: never): never {
  throw new Error(`unreachable: ${JSON.stringify(value)}`);
}

/** The message of anything thrown. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
