import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';

/** A message that the source can make: its text, with {@link HOLE} for what differs, and where it is made. */
export interface SourceMessage {
  readonly text: string;
  readonly place: string;
}

/** Stands in a message for what is known only when it is said. */
export const HOLE = '…';

/** Through so many functions and variables a text is followed. */
const DEEPEST = 8;

/** The messages of all problems that the files below a directory construct. */
export function messagesOfProblems(directory: string): SourceMessage[] {
  return sourcesBelow(directory).flatMap((source) =>
    nodesOf(source.root)
      .filter(ts.isObjectLiteralExpression)
      .flatMap((literal) => {
        const message = problemMessage(literal);
        if (message === undefined) return [];
        return textsOf(message).map((text) => ({ text, place: placeOf(source, literal) }));
      }),
  );
}

/** Requirements on option values in the files below a directory: every text that begins with "must". */
export function requirementsOf(directory: string): SourceMessage[] {
  return sourcesBelow(directory).flatMap((source) =>
    nodesOf(source.root)
      .filter((node) => ts.isStringLiteralLike(node) || ts.isTemplateExpression(node))
      .flatMap((node) => textsOf(node).map((text) => ({ text, place: placeOf(source, node) })))
      .filter(({ text }) => text.startsWith('must ')),
  );
}

/** Whether a message that was said can be this one; before it may stand what it is about, and what was got after it. */
export function matches({ text }: SourceMessage, message: string): boolean {
  const [before, after] = text.startsWith('must ') ? ['^.+ ', '(?:, got .+)?$'] : ['(?:^|: )', '$'];
  return new RegExp(`${before}${patternOf(text.split(HOLE))}${after}`).test(message);
}

/** A pattern for these parts with anything between them. */
export function patternOf(parts: readonly string[]): string {
  return parts.map((part) => part.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&')).join('.+');
}

interface Source {
  readonly name: string;
  readonly root: ts.SourceFile;
}

function sourcesBelow(directory: string): Source[] {
  const names = readdirSync(directory, { recursive: true, encoding: 'utf8' });
  return names
    .filter((name) => name.endsWith('.ts'))
    .sort()
    .map((name) => {
      const text = readFileSync(join(directory, name), 'utf8');
      return { name, root: ts.createSourceFile(name, text, ts.ScriptTarget.Latest, true) };
    });
}

function nodesOf(node: ts.Node): ts.Node[] {
  const below: ts.Node[] = [];
  ts.forEachChild(node, (child) => void below.push(...nodesOf(child)));
  return [node, ...below];
}

function placeOf({ name, root }: Source, node: ts.Node): string {
  return `src/${name}:${root.getLineAndCharacterOfPosition(node.getStart()).line + 1}`;
}

/** The message of an object that also has a reason, which makes it a problem. */
function problemMessage({ properties }: ts.ObjectLiteralExpression): ts.Expression | undefined {
  const named = (name: string): ts.ObjectLiteralElementLike | undefined =>
    properties.find((property) => property.name?.getText() === name);
  const message = named('message');
  if (named('reason') === undefined || message === undefined) return undefined;
  if (ts.isPropertyAssignment(message)) return message.initializer;
  return ts.isShorthandPropertyAssignment(message) ? message.name : undefined;
}

/** All texts that an expression can be. */
function textsOf(expression: ts.Node, depth = 0): string[] {
  if (depth > DEEPEST) return [HOLE];
  const texts = (node: ts.Node): string[] => textsOf(node, depth + 1);
  if (ts.isStringLiteralLike(expression)) return [expression.text];
  if (ts.isParenthesizedExpression(expression)) return texts(expression.expression);
  if (ts.isConditionalExpression(expression))
    return unique([...texts(expression.whenTrue), ...texts(expression.whenFalse)]);
  if (ts.isTemplateExpression(expression)) return templateTexts(expression, depth);
  if (ts.isIdentifier(expression)) return variableTexts(expression, depth);
  if (ts.isCallExpression(expression)) return returnedTexts(expression, depth);
  return [HOLE];
}

function templateTexts({ head, templateSpans }: ts.TemplateExpression, depth: number): string[] {
  let texts = [head.text];
  for (const { expression, literal } of templateSpans) {
    // what a function makes of a part is not a message of its own
    const inner = ts.isCallExpression(expression) ? [HOLE] : textsOf(expression, depth + 1);
    texts = texts.flatMap((before) => inner.map((part) => before + part + literal.text));
  }
  return unique(texts);
}

function variableTexts(identifier: ts.Identifier, depth: number): string[] {
  const declaration = declarationOf(identifier);
  if (declaration === undefined) return [HOLE];
  if (ts.isParameter(declaration)) return argumentTexts(declaration, depth);
  return declaration.initializer === undefined || !isConstant(declaration)
    ? [HOLE]
    : textsOf(declaration.initializer, depth + 1);
}

function isConstant({ parent }: ts.VariableDeclaration): boolean {
  return ts.isVariableDeclarationList(parent) && (parent.flags & ts.NodeFlags.Const) !== 0;
}

/** Arguments for a parameter from callers in the same file, and its default. */
function argumentTexts(parameter: ts.ParameterDeclaration, depth: number): string[] {
  const { parent: called, initializer } = parameter;
  const index = called.parameters.indexOf(parameter);
  const name = nameOf(called);
  const calls = nodesOf(parameter.getSourceFile())
    .filter(ts.isCallExpression)
    .filter((call) => call.expression.getText() === name && functionOf(call) === called);
  const given = calls.flatMap(({ arguments: values }) => values[index] ?? []);
  const texts = [...given, ...(initializer ? [initializer] : [])].flatMap((value) =>
    textsOf(value, depth + 1),
  );
  return texts.length === 0 ? [HOLE] : unique(texts);
}

/** Return values of a function in the same file. */
function returnedTexts(call: ts.CallExpression, depth: number): string[] {
  const called = functionOf(call);
  const { body } = called ?? {};
  if (body === undefined) return [HOLE];
  if (!ts.isBlock(body)) return textsOf(body, depth + 1);
  const returned = nodesOf(body)
    .filter(ts.isReturnStatement)
    .filter((statement) => ts.findAncestor(statement, ts.isFunctionLike) === called)
    .flatMap(({ expression }) => expression ?? []);
  return unique(
    returned.filter((value) => value.getText() !== 'undefined').flatMap((value) => textsOf(value, depth + 1)),
  );
}

type Called = ts.FunctionDeclaration | ts.ArrowFunction;

function functionOf({ expression }: ts.CallExpression): Called | undefined {
  if (!ts.isIdentifier(expression)) return undefined;
  const inFile = expression
    .getSourceFile()
    .statements.filter(ts.isFunctionDeclaration)
    .find(({ name }) => name?.text === expression.text);
  if (inFile) return inFile;
  const declaration = declarationOf(expression);
  const value = declaration && ts.isVariableDeclaration(declaration) ? declaration.initializer : undefined;
  return value && ts.isArrowFunction(value) ? value : undefined;
}

function nameOf(called: ts.SignatureDeclaration): string | undefined {
  return (
    called.name?.getText() ?? (ts.isVariableDeclaration(called.parent) ? called.parent.name.getText() : '')
  );
}

/** The variable or parameter that a name stands for, the nearest one. */
function declarationOf(
  identifier: ts.Identifier,
): ts.VariableDeclaration | ts.ParameterDeclaration | undefined {
  const isNamed = (node: ts.VariableDeclaration | ts.ParameterDeclaration): boolean =>
    ts.isIdentifier(node.name) && node.name.text === identifier.text;
  let scope: ts.Node = identifier;
  do {
    scope = scope.parent;
    const declared = declarationsIn(scope).find(isNamed);
    if (declared) return declared;
  } while (!ts.isSourceFile(scope));
  return undefined;
}

function declarationsIn(scope: ts.Node): (ts.VariableDeclaration | ts.ParameterDeclaration)[] {
  if (ts.isFunctionLike(scope)) return [...scope.parameters];
  if (!ts.isBlock(scope) && !ts.isSourceFile(scope)) return [];
  return scope.statements
    .filter(ts.isVariableStatement)
    .flatMap(({ declarationList }) => [...declarationList.declarations]);
}

function unique(texts: readonly string[]): string[] {
  return [...new Set(texts)];
}
