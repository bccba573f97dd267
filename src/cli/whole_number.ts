/** A count that an operator typed, from 1 to `max`; undefined for what is none. */
export function wholeNumber(text: string, max: number): number | undefined {
  const value = /^\d{1,9}$/.test(text) ? Number(text) : 0;
  return value >= 1 && value <= max ? value : undefined;
}
