import { readFile } from 'node:fs/promises';
import { isAbsolute } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { RpcMessage } from '@taplo/lsp';
import { TaploLsp } from '@taplo/lsp';
import { until } from './until.ts';

interface Diagnostic {
  readonly message: string;
  readonly range: { readonly start: { readonly line: number } };
}

interface Completion {
  readonly label: string;
  readonly documentation?: { readonly value: string };
}

/** Taplo, the language server that editors have for TOML, with one file open. */
export class LanguageServer {
  readonly #uri: string;
  readonly #answers = new Map<RpcMessage['id'], (result: unknown) => void>();
  #server: TaploLsp | undefined;
  #diagnostics: readonly Diagnostic[] = [];
  #count = 0;

  private constructor(path: string) {
    this.#uri = pathToFileURL(path).href;
  }

  static async open(path: string, directory: string, text: string): Promise<LanguageServer> {
    const server = new LanguageServer(path);
    server.#server = await TaploLsp.initialize(environmentIn(directory), {
      onMessage: (message) => server.#hear(message),
    });
    const workspaceFolders = [{ uri: pathToFileURL(directory).href, name: 'project' }];
    await server.#ask('initialize', { processId: process.pid, capabilities: {}, workspaceFolders });
    server.#say('initialized', {});
    const textDocument = { uri: server.#uri, languageId: 'toml', version: 1, text };
    server.#say('textDocument/didOpen', { textDocument });
    return server;
  }

  /** First diagnostics: lines counted from 0, with messages. */
  async diagnostics(): Promise<[number, string][]> {
    await until('diagnostics', () => this.#diagnostics.length > 0);
    return this.#diagnostics.map(({ message, range }) => [range.start.line, message]);
  }

  /** Completions on a line. */
  async completions(line: number): Promise<readonly Completion[]> {
    const textDocument = { uri: this.#uri };
    const found = await this.#ask('textDocument/completion', {
      textDocument,
      position: { line, character: 0 },
    });
    return Array.isArray(found) ? (found as Completion[]) : (found as { items: Completion[] }).items;
  }

  #hear({ id, method, params, result }: RpcMessage): void {
    if (method === 'textDocument/publishDiagnostics') {
      this.#diagnostics = (params as { diagnostics: readonly Diagnostic[] }).diagnostics;
    } else if (method === undefined) {
      this.#answers.get(id)?.(result);
    } else if (id !== undefined) {
      this.#server?.send({
        jsonrpc: '2.0',
        id,
        result: method === 'workspace/configuration' ? [SETTINGS] : null,
      });
    }
  }

  async #ask(method: string, params: unknown): Promise<unknown> {
    const id = ++this.#count;
    return new Promise((resolve) => {
      this.#answers.set(id, resolve);
      this.#server?.send({ jsonrpc: '2.0', id, method, params });
    });
  }

  #say(method: string, params: unknown): void {
    this.#server?.send({ jsonrpc: '2.0', method, params });
  }
}

/** No catalogue of schemas: the file says which is its own, and nothing is fetched. */
const SETTINGS = {
  schema: { enabled: true, links: false, associations: {}, catalogs: [] },
  completion: { maxKeys: 5 },
  formatter: {},
};

function environmentIn(directory: string): Parameters<typeof TaploLsp.initialize>[0] {
  return {
    now: () => new Date(),
    envVar: () => undefined,
    envVars: () => [],
    stdErrAtty: () => false,
    stdin: process.stdin,
    stdout: process.stdout,
    // it complains of catalogues that it cannot fetch
    stderr: (bytes) => Promise.resolve(bytes.length),
    fetch: { fetch: () => Promise.reject(new Error('nothing is fetched')), Headers, Request, Response },
    glob: () => [],
    readFile,
    writeFile: () => Promise.resolve(),
    // it asks for schemas of its own too, which are no files
    urlToFilePath: (url) => (url.startsWith('file:') ? fileURLToPath(url) : '/nowhere'),
    isAbsolute,
    cwd: () => directory,
    findConfigFile: () => undefined,
  };
}
