/** The JSON Schema of config.json, for editors, docs and suggestions; made from the same table that loads the file. */
import * as z from "zod";
import type { Path } from "./problem.ts";
import { configSchema, KEY_NAMES } from "./schema.ts";

export type JsonSchema = z.core.JSONSchema.JSONSchema;

/** Where the installed file finds its schema; also the name under which it lies beside config.example.json. */
export const SCHEMA_FILE = "./config.schema.json";

let made: JsonSchema | undefined;

/** Made once: a file with ten thousand unknown fields asks for it ten thousand times. */
export function configJsonSchema(): JsonSchema {
  made ??= makeJsonSchema();
  return made;
}

function makeJsonSchema(): JsonSchema {
  const schema = z.toJSONSchema(configSchema, { io: "input" });
  return {
    $schema: schema.$schema ?? "https://json-schema.org/draft/2020-12/schema",
    title: "algo-monitor config.json",
    description: "Comments and trailing commas are tolerated. A key that is left out takes its default.",
    type: "object",
    properties: {
      $schema: { type: "string", description: "Names this schema for editors; algo-monitor does not read it." },
      ...schema.properties,
    },
    additionalProperties: false,
  };
}

/** The part of the schema a path leads to; undefined where it leads nowhere. */
export function schemaAt(path: Path): JsonSchema | undefined {
  let schema: JsonSchema = configJsonSchema();
  for (const part of path) {
    const next = typeof part === "number" ? schema.items : memberOf(schema, part);
    if (next === undefined || Array.isArray(next) || typeof next === "boolean") return undefined;
    schema = next;
  }
  return schema;
}

function memberOf(schema: JsonSchema, name: string): JsonSchema | boolean | undefined {
  const names = schema.properties ?? {};
  return Object.hasOwn(names, name) ? names[name] : schema.additionalProperties;
}

/** Names that may stand in the object at a path; none for a free-form one. */
export function namesAt(path: Path): readonly string[] {
  if (path.length === 0) return KEY_NAMES;
  return Object.keys(schemaAt(path)?.properties ?? {});
}
