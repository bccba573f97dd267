/**
 * From what the operator wants to what the kernel can compare by itself. What it cannot compare (arguments, parents)
 * matches wider there: such a shape is asked about, never killed by it. Pure but for the look-ups that are handed in.
 */

import type { KernelClass, KernelProgramFile } from "../context/kernel_programs.ts";
import { optionLetters } from "../context/scripts.ts";
import { networkBytes } from "../core/address.ts";
import type { ExceptionEntry } from "../core/exception.ts";
import type { FileWatch } from "../core/kernel.ts";
import type { ResponseKind } from "../core/nouns.ts";
import type { ProcessRef } from "../core/process.ts";
import type { Policy } from "../decision/policy.ts";
import type { ElfFingerprint } from "../host/executables.ts";
import type { BlockedNetwork } from "./blocks.ts";
import {
  KERNEL_RULES,
  type KernelRuleName,
  MODE,
  PROGRAM,
  RULE_BLOCK,
  RULE_NUMBERS,
  SPARED,
} from "./kernel_numbers.ts";

/** What the sensor's maps hold; a longer list of exceptions becomes one that matches everything. */
export const EXEMPT_MAX = 64;
export const LIST_MAX = 1_024;

export interface KernelFile {
  readonly device: number;
  readonly inode: number;
}

export interface KernelProgram extends KernelFile {
  readonly program: number;
  readonly codeLetters: bigint;
  readonly valueLetters: bigint;
  readonly fingerprint?: ElfFingerprint;
}

export interface KernelExempt {
  /** Absent: any. */
  readonly file?: KernelFile;
  readonly uid?: number;
  readonly network?: string;
  /** The same network as sockets of IPv6 show it (::ffff:10.1.0.0/112). */
  readonly mapped?: true;
  readonly rules: number;
}

export interface KernelSpared {
  readonly kind: number;
  readonly id: bigint;
}

export interface KernelWatch {
  /** Of `process-memory` the mount of a /proc below ours. */
  readonly path: string;
  readonly watch: FileWatch;
}

export interface KernelSettings {
  readonly generation: number;
  /** By rule number. */
  readonly rules: readonly number[];
  readonly hold: boolean;
  readonly guardOn: boolean;
  readonly deepSyscalls: boolean;
  readonly holdConnectionMs: number;
  readonly holdExecMs: number;
  readonly daemonPid: number;
}

export interface KernelPolicy {
  readonly settings: Omit<KernelSettings, "generation">;
  readonly programs: readonly KernelProgram[];
  readonly exempt: readonly KernelExempt[];
  readonly spared: readonly KernelSpared[];
  /** Addresses and networks of pools; empty where their rule would not act. */
  readonly poolNetworks: readonly string[];
  /** Who opens or writes these is told. */
  readonly watches: readonly KernelWatch[];
  readonly blockedNetworks: readonly BlockedNetwork[];
}

export interface KernelPolicyInput {
  readonly policy: Policy;
  readonly nowMs: number;
  /** What the rules themselves ask for, by name. */
  readonly ruleResponse: (name: string) => ResponseKind | undefined;
  /** The id by which RULES and EXCEPTIONS may name a rule as well, lower case. */
  readonly ruleId: (name: string) => string | undefined;
  readonly installed: readonly KernelProgramFile[];
  readonly fileOf: (path: string) => KernelFile | undefined;
  readonly uidOf: (user: string) => number | undefined;
  readonly cgroupOfUnit: (unit: string) => bigint | undefined;
  /** Of MINING_POOLS, as they are now. */
  readonly pools: readonly string[];
  readonly watches: readonly KernelWatch[];
  /** By order of an operator. */
  readonly blocked: readonly BlockedNetwork[];
  readonly daemonPid: number;
  readonly guardOn: boolean;
  readonly deepSyscalls: boolean;
  /** SENSOR.hold */
  readonly mayHold: boolean;
}

const HOLD_CONNECTION_MS = 500;
const HOLD_EXEC_MS = 50;

export function compileKernelPolicy(input: KernelPolicyInput): KernelPolicy {
  const { policy } = input;
  const rules: number[] = Array.from({ length: RULE_NUMBERS }, () => MODE.off);
  for (const { name, number } of KERNEL_RULES) rules[number] = modeOf(name, input);
  const killsSome = rules.includes(MODE.enforce);
  // An operator's order, not a judgement: it holds in every mode.
  rules[RULE_BLOCK] = MODE.enforce;
  const minerActs = rules[KERNEL_RULES.find(({ name }) => name === "miner_confirmed")?.number ?? 0] !== MODE.off;
  return {
    settings: {
      rules,
      hold: input.mayHold && isEnforcing(input) && killsSome,
      guardOn: input.guardOn,
      deepSyscalls: input.deepSyscalls,
      holdConnectionMs: HOLD_CONNECTION_MS,
      holdExecMs: HOLD_EXEC_MS,
      daemonPid: input.daemonPid,
    },
    programs: programsOf(input),
    exempt: exemptOf(input),
    spared: sparedOf(policy, input),
    blockedNetworks: input.blocked,
    poolNetworks: minerActs ? [...new Set(input.pools)].slice(0, LIST_MAX) : [],
    watches: input.watches,
  };
}

function isEnforcing({ policy, nowMs }: KernelPolicyInput): boolean {
  return policy.mode === "enforce" && nowMs >= policy.pausedUntilMs;
}

/** Kills where a kill would follow, watches where it would be rehearsed, and is silent where nothing is done. */
function modeOf(name: KernelRuleName, input: KernelPolicyInput): number {
  const { rules } = input.policy;
  const id = input.ruleId(name);
  const response = rules.get(name) ?? (id === undefined ? undefined : rules.get(id)) ?? input.ruleResponse(name);
  switch (response) {
    case "kill":
      return isEnforcing(input) ? MODE.enforce : MODE.watch;
    case "monitor":
      return MODE.watch;
    default:
      // A connection is cut by the scan; the kernel knows killing only.
      return MODE.off;
  }
}

/** Most of it is the listing of the system directories, and that is asked about every second. */
const compiledPrograms = new WeakMap<
  readonly KernelProgramFile[],
  { readonly by: string; readonly programs: readonly KernelProgram[] }
>();

function programsOf(input: KernelPolicyInput): readonly KernelProgram[] {
  const { trustedExecutables, neverTouch } = input.policy;
  const spared = [...neverTouch.executables].map((path) => [path, input.fileOf(path)]);
  const by = JSON.stringify([trustedExecutables, spared]);
  const known = compiledPrograms.get(input.installed);
  if (known?.by === by) return known.programs;
  const programs = compilePrograms(input);
  compiledPrograms.set(input.installed, { by, programs });
  return programs;
}

function compilePrograms(input: KernelPolicyInput): readonly KernelProgram[] {
  const found = new Map<string, KernelProgram>();
  const add = ({ device, inode }: KernelFile, program: number, family = "", fingerprint?: ElfFingerprint): void => {
    const known = found.get(`${device}:${inode}`);
    const bits = (known?.program ?? 0) | program;
    const letters = programOf({ device, inode }, bits, family);
    const copied = fingerprint === undefined ? {} : { fingerprint };
    found.set(
      `${device}:${inode}`,
      family === "" && known !== undefined ? { ...known, program: bits } : { ...letters, ...copied },
    );
  };
  for (const one of input.installed) add(one, bitsOf(one.classes), one.family, one.fingerprint);
  for (const file of input.policy.trustedExecutables) add(file, PROGRAM.exempt);
  for (const path of input.policy.neverTouch.executables) {
    const file = input.fileOf(path);
    if (file !== undefined) add(file, PROGRAM.spared);
  }
  return [...found.values()];
}

export function programOf({ device, inode }: KernelFile, bits: number, family: string): KernelProgram {
  const { code, valued } = optionLetters(family);
  return {
    device,
    inode,
    program: bits | PROGRAM.known,
    codeLetters: lettersOf(code),
    valueLetters: lettersOf(valued),
  };
}

export function bitsOf(classes: readonly KernelClass[]): number {
  return classes.reduce((bits, one) => bits | PROGRAM[one], 0);
}

/** Bit 0 is A, bit 26 is a. */
export function lettersOf(letters: string): bigint {
  let bits = 0n;
  for (const letter of letters) {
    const code = letter.charCodeAt(0);
    if (code >= 65 && code <= 90) bits |= 1n << BigInt(code - 65);
    if (code >= 97 && code <= 122) bits |= 1n << BigInt(26 + code - 97);
  }
  return bits;
}

function exemptOf(input: KernelPolicyInput): readonly KernelExempt[] {
  const entries = input.policy.exceptions.flatMap((entry) => exemptFor(entry, input));
  if (entries.length <= EXEMPT_MAX) return entries;
  return [{ rules: entries.reduce((bits, entry) => bits | entry.rules, 0) }];
}

/** Any key that the kernel cannot compare, and any that names nothing it knows, is left out: the entry matches wider. */
function exemptFor(entry: ExceptionEntry, input: KernelPolicyInput): readonly KernelExempt[] {
  const rules = KERNEL_RULES.filter(
    ({ name }) => entry.rule === name || entry.rule.toLowerCase() === input.ruleId(name),
  ).reduce((bits, { number }) => bits | (1 << number), 0);
  // An exception about a file concerns no process.
  if (rules === 0 || entry.file !== undefined || isOver(entry.until, input.nowMs)) return [];
  const file = entry.exe === undefined ? undefined : input.fileOf(entry.exe);
  const uid = entry.user === undefined ? undefined : numericUid(entry.user, input);
  const exempt = {
    rules,
    ...(file === undefined ? {} : { file }),
    ...(uid === undefined ? {} : { uid }),
    ...(entry.peer === undefined ? {} : { network: entry.peer }),
  };
  // A program that speaks both families reaches IPv4 by a socket of IPv6, and the kernel compares what the socket has.
  const isIpv4 = entry.peer !== undefined && networkBytes(entry.peer)?.family === 4;
  return isIpv4 ? [exempt, { ...exempt, mapped: true }] : [exempt];
}

/** A day too long is a question too many; a day too short would be a false kill. */
function isOver(until: string | undefined, nowMs: number): boolean {
  if (until === undefined) return false;
  const endMs = Date.parse(until);
  return Number.isFinite(endMs) && nowMs > endMs + 2 * 86_400_000;
}

function numericUid(user: string, input: KernelPolicyInput): number | undefined {
  return /^\d+$/.test(user) ? Number(user) : input.uidOf(user);
}

function sparedOf({ neverTouch }: Policy, input: KernelPolicyInput): readonly KernelSpared[] {
  const units = [...neverTouch.units].flatMap((unit) => input.cgroupOfUnit(unit) ?? []);
  return [
    ...[...neverTouch.userIds].map((uid) => ({ kind: SPARED.uid, id: BigInt(uid) })),
    ...units.map((id) => ({ kind: SPARED.cgroup, id })),
    ...distinctPids(neverTouch.processes).map((pid) => ({ kind: SPARED.process, id: BigInt(pid) })),
  ].slice(0, LIST_MAX);
}

function distinctPids(refs: readonly ProcessRef[]): readonly number[] {
  return [...new Set(refs.map(({ pid }) => pid))].sort((left, right) => left - right);
}
