/**
 * Keeps the kernel's copy of the policy equal to what is in force: what changed is sent, at once, under a new generation.
 * A sensor that starts anew is told everything.
 */

import type { Answer } from "./kernel_asks.ts";
import {
  answerFrame,
  exemptFrame,
  type HELD,
  networksFrame,
  programsFrames,
  settingsFrame,
  sparedFrame,
  watchFrame,
} from "./kernel_frames.ts";
import { KERNEL_RULES, PROGRAM, RULE_BLOCK } from "./kernel_numbers.ts";
import { type KernelPolicy, type KernelProgram, programOf } from "./kernel_policy.ts";

const MINER = KERNEL_RULES.find(({ name }) => name === "miner_confirmed")?.number ?? 0;
/** Answers about files that nobody had named; the kernel's own table holds a few thousand. */
const LEARNT_MAX = 4_096;

export interface KernelOrders {
  /** False where nothing had to be sent. */
  apply(policy: KernelPolicy): boolean;
  /** What one file is, where the kernel asked. */
  name(program: KernelProgram): void;
  answer(id: bigint, held: keyof typeof HELD, answer: Answer, moreMs: number): void;
  /** The sensor is another one, and knows nothing. */
  forget(): void;
  generation(): number;
}

/** @param send false where no sensor takes it; then everything is sent to the next one. */
export function createKernelOrders(send: (frame: Uint8Array) => boolean): KernelOrders {
  let generation = 0;
  let programs = new Map<string, KernelProgram>();
  let lastWanted: readonly KernelProgram[] | undefined;
  const learnt = new Map<string, KernelProgram>();
  let sections = new Map<string, string>();
  return { apply, name, answer, forget, generation: () => generation };

  function apply(policy: KernelPolicy): boolean {
    const changed = changedPrograms(policy.programs);
    const lists = [
      ...section("exempt", policy.exempt, () => exemptFrame(policy.exempt)),
      ...section("spared", policy.spared, () => sparedFrame(policy.spared)),
      ...section("pools", policy.poolNetworks, () =>
        networksFrame(
          MINER,
          policy.poolNetworks.map((network) => ({ network })),
        ),
      ),
      ...section("blocked", policy.blockedNetworks, () => networksFrame(RULE_BLOCK, policy.blockedNetworks)),
    ];
    // No verdict hangs on it: files are no new generation.
    for (const frame of section("watches", policy.watches, () => watchFrame(policy.watches)))
      if (!send(frame)) sections.delete("watches");
    const isNew = section("settings", policy.settings, () => new Uint8Array()).length > 0;
    if (!isNew && lists.length === 0 && changed.length === 0) return false;
    generation++;
    // Whom to spare comes before the order to kill.
    const frames = [...programsFrames(changed), ...lists, settingsFrame({ ...policy.settings, generation })];
    if (!frames.every(send)) forget();
    return true;
  }

  /** Those that say something new, and those that are no longer named: they are a file like any other again. */
  function changedPrograms(wanted: readonly KernelProgram[]): readonly KernelProgram[] {
    if (wanted === lastWanted) return [];
    lastWanted = wanted;
    const next = new Map(wanted.map((program) => [keyOf(program), program]));
    const changed = wanted.filter((program) => !isSame(programs.get(keyOf(program)), program));
    const gone = [...programs].filter(([key]) => !next.has(key));
    programs = next;
    return [...changed, ...gone.map(([, program]) => programOf(program, program.program & PROGRAM.verified, ""))];
  }

  function section(name: string, value: unknown, frameOf: () => Uint8Array): readonly Uint8Array[] {
    const text = JSON.stringify(value, (_key, part) => (typeof part === "bigint" ? String(part) : part));
    if (sections.get(name) === text) return [];
    sections.set(name, text);
    return [frameOf()];
  }

  function name(program: KernelProgram): void {
    if (isSame(learnt.get(keyOf(program)), program)) return;
    if (learnt.size >= LEARNT_MAX) learnt.delete(learnt.keys().next().value ?? "");
    learnt.set(keyOf(program), program);
    // Of a file that the policy names it knows more than the file itself says.
    if (!programs.has(keyOf(program))) for (const frame of programsFrames([program])) send(frame);
  }

  function answer(id: bigint, held: keyof typeof HELD, given: Answer, moreMs: number): void {
    send(answerFrame(id, held, given, moreMs));
  }

  function forget(): void {
    programs = new Map();
    lastWanted = undefined;
    sections = new Map();
    learnt.clear();
  }
}

function keyOf({ device, inode }: KernelProgram): string {
  return `${device}:${inode}`;
}

function isSame(left: KernelProgram | undefined, right: KernelProgram): boolean {
  return (
    left !== undefined &&
    left.program === right.program &&
    left.codeLetters === right.codeLetters &&
    left.valueLetters === right.valueLetters
  );
}
