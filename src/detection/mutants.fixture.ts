// Every detection that is one clause short, for the test that each clause of a rule matters.
import type { Expression } from "./sigma/expression.ts";

export interface Mutant {
  /** What was taken away. */
  readonly without: string;
  readonly expression: Expression;
}

export function mutantsOf(expression: Expression): Mutant[] {
  switch (expression.kind) {
    case "field":
    case "keyword":
      return [];
    case "not":
      return mutantsOf(expression.of).map((mutant) => ({
        ...mutant,
        expression: { kind: "not", of: mutant.expression },
      }));
    case "selection": {
      const { name } = expression;
      return mutantsOf(expression.of).map((mutant) => ({
        without: `${name}: ${mutant.without}`,
        expression: { kind: "selection", name, of: mutant.expression },
      }));
    }
    case "all":
    case "any":
    case "count":
      return expression.of.flatMap((part, index) => {
        const rebuilt = (of: readonly Expression[]): Expression => {
          if (expression.kind !== "count") return { kind: expression.kind, of };
          const isAll = expression.count === expression.of.length;
          return { kind: "count", count: isAll ? of.length : expression.count, of };
        };
        const removed: Mutant = {
          without: textOf(part),
          expression: rebuilt(expression.of.filter((_, at) => at !== index)),
        };
        const deeper = mutantsOf(part).map((mutant) => ({
          ...mutant,
          expression: rebuilt(expression.of.map((other, at) => (at === index ? mutant.expression : other))),
        }));
        return [removed, ...deeper];
      });
  }
}

function textOf(expression: Expression): string {
  switch (expression.kind) {
    case "field":
      return `${expression.field} ${expression.value.says}`;
    case "keyword":
      return expression.value.says;
    case "selection":
      return expression.name;
    case "not":
      return `not ${textOf(expression.of)}`;
    case "all":
      return expression.of.map(textOf).join(" and ");
    case "any":
    case "count":
      return `one of ${expression.of.map(textOf).join(", ")}`;
  }
}
