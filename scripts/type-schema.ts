import { createGenerator, type SchemaGenerator } from 'ts-json-schema-generator';

/** Files whose exported types describe what we print for other programs. */
const SOURCES = 'src/{plan/step,report/run-report}.ts';

let generator: SchemaGenerator | undefined;

/** JSON Schema of a type, with its doc comments; draft-07, as for the Transientfile. */
export function typeSchema(title: string, type: string): string {
  // reading the types takes a second; the compiler has checked them already
  generator ??= createGenerator({
    path: SOURCES,
    tsconfig: 'tsconfig.json',
    topRef: false,
    jsDoc: 'extended',
    skipTypeCheck: true,
  });
  const { $schema, ...rest } = generator.createSchema(type);
  return `${JSON.stringify({ $schema, title, ...rest }, undefined, 2)}\n`;
}
