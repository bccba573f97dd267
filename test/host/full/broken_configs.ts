// Shapes of a config.json that no daemon should stumble over. None of them says "monitor" in a way that is meant.

const FIXED: readonly string[] = [
  "",
  " \n\t ",
  "{",
  "}",
  "[]",
  "null",
  "42",
  '"MODE"',
  "true",
  "{ MODE: enforce }",
  '{ "MODE": }',
  '{ "MODE": "enforce", }, {}',
  '{ "MODE": "enforce" "RULES": {} }',
  '{ "MODE": "enforce", "MODE": "enforce" }',
  '{ "MODE": ["enforce"] }',
  '{ "MODE": 1 }',
  '{ "MODE": null }',
  '{ "MODE": "enforced" }',
  '{ "MDOE": "enforce" }',
  '{ "mode": "enforce" }',
  '{ "": {} }',
  '{ "__proto__": { "MODE": "x" } }',
  '{ "constructor": 1, "toString": 2 }',
  '{ "SCAN_INTERVALS": { "processes": 0 } }',
  '{ "SCAN_INTERVALS": { "processes": -5, "network": "often" } }',
  '{ "SCAN_INTERVALS": 1e999 }',
  '{ "SCAN_INTERVALS": { "processes": 1e308 } }',
  '{ "KILL_BUDGET": { "per_minute": 0.5 } }',
  '{ "NEVER_TOUCH": ["/bin/bash"] }',
  '{ "NEVER_TOUCH": { "executables": ["bash"] } }',
  '{ "RULES": { "no_such_rule": "kill" } }',
  '{ "RULES": { "reverse_shell": "destroy" } }',
  '{ "EXCEPTIONS": [{}] }',
  '{ "EXCEPTIONS": [{ "rule": "reverse_shell", "reason": "everything" }] }',
  '{ "EXCEPTIONS": [{ "rule": "reverse_shell", "args": "(", "reason": "x" }] }',
  '{ "EXCEPTIONS": { "rule": "reverse_shell" } }',
  '{ "MINING_POOLS": ["300.1.1.1", "::g", ""] }',
  '{ "SUSPICIOUS_PATTERNS": ["(?<=x)y", "(", "*"] }',
  '{ "LOG_LEVELS": ["LOUD"] }',
  '{ "RETENTION": { "days": 99999999999 } }',
  '\u{feff}{ "MODE": "enforce" ',
  "\0\0\0\0",
  '{ "MODE": "\\ud800" }',
  '{ "RULES": "\\u0000" }',
  `{ "TRUSTED_SYSTEM_PROCESSES": ${"[".repeat(5000)}`,
  `{ "RULES": ${'{ "a": '.repeat(2000)}`,
];

/** `count` shapes: the ones above, then random bytes and cut files (seeded). */
export function brokenConfigs(count: number): readonly string[] {
  const shapes = [...FIXED];
  let seed = 20_260_101;
  const random = (below: number): number => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
    return (seed >>> 8) % below;
  };
  while (shapes.length < count) {
    const length = 1 + random(400);
    shapes.push(String.fromCharCode(...Array.from({ length }, () => random(0x250))));
  }
  return shapes.slice(0, count);
}
