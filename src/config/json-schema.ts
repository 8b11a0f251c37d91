import * as z from 'zod';

/** A JSON Schema as a file; draft-07 is what editors for TOML read. */
export function jsonSchema(title: string, schema: z.ZodType): string {
  const { $schema, ...rest } = z.toJSONSchema(schema, {
    target: 'draft-7',
    io: 'input',
    // zod leaves out the default of a codec, as one of its output
    override: ({ zodSchema, jsonSchema: json }) => Object.assign(json, z.globalRegistry.get(zodSchema)),
  });
  return `${JSON.stringify({ $schema, title, ...rest }, undefined, 2)}\n`;
}
