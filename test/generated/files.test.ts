import { readFileSync } from 'node:fs';
import { Ajv } from 'ajv';
import { parse } from 'smol-toml';
import { describe, expect, it } from 'vitest';
import { generatedFiles } from '../../scripts/generated-files.ts';
import { parseDocument } from '../../src/config/document.ts';
import { transientfileSchema } from '../../src/config/transientfile-schema.ts';
import { checkTransientfile } from '../../src/config/transientfile.ts';
import { optionsIn } from '../../src/options/table.ts';

const example = readFileSync('Transientfile.example.toml', 'utf8');

/** The example with its commented keys switched on. */
const everything = example.replaceAll(/^# ([\w-]+ = )/gm, '$1');

describe('generated files', () => {
  it.each([...generatedFiles()])('%s is what npm run generate writes', (path, text) => {
    expect(readFileSync(path, 'utf8')).toBe(text);
  });
});

describe('Transientfile.example.toml', () => {
  it.each([
    ['as it is', example],
    ['with every key', everything],
  ])('%s is a good Transientfile', (_name, text) => {
    const document = parseDocument(text, 'example');
    expect(document.ok && checkTransientfile(document.value, '/project')).toMatchObject({ ok: true });
  });

  it('shows every key', () => {
    const { project, images, networks, vms } = parse(everything) as Record<string, Record<string, object>>;
    const { shape } = transientfileSchema();
    expect(Object.keys(parse(everything)).sort()).toEqual(Object.keys(shape).sort());
    expect(Object.keys(project ?? {})).toEqual(['name']);
    expect(Object.keys(images?.['base'] ?? {})).toEqual(['source', 'sha256']);
    expect(Object.keys(networks?.['lan'] ?? {})).toEqual(['subnet']);
    const keys = ['image', 'depends-on', 'networks', 'name', 'persistent', ...optionsIn('file')];
    expect(Object.keys(vms?.['web'] ?? {}).sort()).toEqual(keys.sort());
  });
});

interface VmsSchema {
  properties: { vms: { additionalProperties: { properties: Record<string, { description?: string }> } } };
}

describe('schemas/transientfile.schema.json', () => {
  const schema = JSON.parse(readFileSync('schemas/transientfile.schema.json', 'utf8')) as VmsSchema;
  const validate = new Ajv({ strict: false }).compile(schema);

  it('accepts the example with every key', () => {
    expect(validate(parse(everything)), JSON.stringify(validate.errors)).toBe(true);
  });

  it('refuses an unknown key and a wrong type', () => {
    expect(validate({ vms: { a: { image: 'x', memroy: '1G' } } })).toBe(false);
    expect(validate({ vms: { a: { image: 'x', cpus: 'two' } } })).toBe(false);
  });

  it('wants an image of each VM, or one in [defaults]', () => {
    expect(validate({ vms: { a: {} } })).toBe(false);
    expect(validate({ defaults: { memory: '1G' }, vms: { a: {} } })).toBe(false);
    expect(validate({ defaults: { image: 'x', networks: ['lan'] }, vms: { a: {} } })).toBe(true);
  });

  it('explains each option', () => {
    const { properties } = schema.properties.vms.additionalProperties;
    for (const name of optionsIn('file')) expect(properties[name]?.description, name).toBeTruthy();
  });
});
