/** Numbers of sensor/wire.h that policy is written in. */

export const MODE = { off: 0, watch: 1, enforce: 2 } as const;

export const KERNEL_RULES = [
  { name: "reverse_shell", number: 1 },
  { name: "bind_shell", number: 2 },
  { name: "miner_confirmed", number: 3 },
] as const;
export type KernelRuleName = (typeof KERNEL_RULES)[number]["name"];
export const RULE_BLOCK = 4;
export const RULE_NUMBERS = 8;

export const PROGRAM = {
  known: 1,
  shell: 2,
  interpreter: 4,
  relay: 8,
  applets: 16,
  verified: 32,
  exempt: 64,
  spared: 128,
  loader: 256,
  fetcher: 512,
  login: 1024,
  awk: 2048,
} as const;

export const SPARED = { uid: 1, cgroup: 2, process: 3 } as const;
