import { isBuiltin } from 'node:module';
import { parseAst } from 'rolldown/parseAst';

/**
 * A chunk as the launcher runs it: a function, in which parts of Node and other chunks are required when they are first
 * used. Escapes keep it in one byte for each character, as it is read.
 */
export function launchable(code) {
  const edits = [];
  const isMade = (start) => code.slice(0, start).endsWith('new ');
  walk(parseAst(code), undefined, (node) => {
    if (node.type === 'Program' || node.type === 'BlockStatement') edits.push(...lateRequires(node, isMade));
  });
  return ascii(
    `(function (module, exports, require, later, __filename, __dirname) {${edited(code, edits)}\n})`,
  );
}

/** Makes the requires of a block lazy, if their results are only read. */
function lateRequires(block, isMade) {
  const required = new Map(block.body.flatMap(requiredBy));
  if (required.size === 0) return [];
  walk(block, undefined, (node, parent) => {
    const known = node.type === 'Identifier' ? required.get(node.name) : undefined;
    if (known === undefined || node === known.id || isPropertyName(node, parent)) return;
    if (isRead(parent)) known.reads.push(node);
    else required.delete(node.name);
  });
  return [...required.values()].flatMap(({ callee, reads }) => [
    { ...callee, text: 'later' },
    ...reads.map(({ start, end, name }) => ({
      start,
      end,
      text: isMade(start) ? `(${name}())` : `${name}()`,
    })),
  ]);
}

/** The variables of a statement that hold what `require` returns. */
function requiredBy(statement) {
  if (statement.type !== 'VariableDeclaration') return [];
  return statement.declarations.flatMap(({ id, init }) =>
    id.type === 'Identifier' && isRequire(init) ? [[id.name, { id, callee: init.callee, reads: [] }]] : [],
  );
}

/** Not of what may be missing: that is found out where it is required. */
function isRequire(init) {
  if (init?.type !== 'CallExpression' || init.callee.name !== 'require') return false;
  const [{ value }] = init.arguments;
  return typeof value === 'string' && (isBuiltin(value) || value.startsWith('./'));
}

function isPropertyName(node, parent) {
  if (parent.type === 'MemberExpression') return parent.property === node && !parent.computed;
  return parent.key === node && !parent.computed && !parent.shorthand;
}

/** Whether it stands where a call may stand as well. */
function isRead(parent) {
  return ['MemberExpression', 'CallExpression'].includes(parent.type);
}

function walk(node, parent, visit) {
  visit(node, parent);
  for (const value of Object.values(node)) {
    for (const child of Array.isArray(value) ? value : [value])
      if (typeof child?.type === 'string') walk(child, node, visit);
  }
}

function edited(code, edits) {
  const sorted = edits.toSorted((one, other) => one.start - other.start);
  const parts = sorted.map(({ start, text }, index) => code.slice(sorted[index - 1]?.end ?? 0, start) + text);
  return parts.join('') + code.slice(sorted.at(-1)?.end ?? 0);
}

function ascii(code) {
  return code.replaceAll(/[^\0-\x7f]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
