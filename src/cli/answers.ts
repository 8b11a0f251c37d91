// Queries answered without a plan; each loads its modules on demand.
import type {
  CompletionIntent,
  DoctorIntent,
  ImagesIntent,
  InitIntent,
  LogsIntent,
  SshConfigIntent,
  VmsIntent,
} from './command.ts';
import { imagesText, looksOf, vmsText, type Looks } from './report.ts';
import { printNote, print, printProblems } from './output.ts';
import { listenForSignals } from '../run/signals.ts';

export async function showImages({ backend, json }: ImagesIntent): Promise<number> {
  const { imageRows } = await import('../image/list.ts');
  return print(imagesText(await imageRows(backend), json));
}

export async function showVms({ vmstore, all, json, columns }: VmsIntent): Promise<number> {
  const { vmRows } = await import('../vmstore/list.ts');
  const rows = await vmRows(process.env, vmstore, all);
  return print(vmsText(rows, { json, columns, now: Date.now() }));
}

export async function showHealth({ json, ...stores }: DoctorIntent): Promise<number> {
  const [{ runChecks: examine, canRun }, { findingsText }] = await Promise.all([
    import('../doctor/checks.ts'),
    import('./doctor-text.ts'),
  ]);
  const findings = await examine({ environment: process.env, ...stores });
  const able = canRun(findings);
  const { color } = looksOf(process.stdout, process.env);
  print(json ? `${JSON.stringify(findings, undefined, 2)}\n` : findingsText(findings, able, color));
  return able ? 0 : 1;
}

export async function showCompletion({ shell }: CompletionIntent): Promise<number> {
  const [{ completionScript }, { COMMANDS }] = await Promise.all([
    import('./completion/script.ts'),
    import('./program.ts'),
  ]);
  return print(completionScript(shell, COMMANDS));
}

/** Prints names for completion; errors are ignored, since they would disturb the command line. */
export async function showNames(kind: string): Promise<number> {
  const { namesOf } = await import('./completion/names.ts');
  const names = await namesOf(kind, process.env, process.cwd()).catch(() => []);
  return print(names.map((name) => `${name}\n`).join(''));
}

export async function showSshConfig({ hosts }: SshConfigIntent): Promise<number> {
  const { hostBlocks } = await import('../guest/ssh-config.ts');
  return print(await hostBlocks(hosts));
}

export async function initialize(intent: InitIntent, looks: Looks): Promise<number> {
  const signals = listenForSignals();
  const { initProject } = await import('./init/project.ts');
  const written = await initProject(intent, signals.abort).catch((error: unknown) => {
    if (signals.abort.aborted) return undefined;
    throw error;
  });
  if (written === undefined) return signals.exitCode() ?? 1;
  return written.ok ? printNote(written.value) : printProblems(written.problems, looks);
}

export async function showLog({ path, follow, writer }: LogsIntent): Promise<number> {
  const [{ printLog }, { isAlive }] = await Promise.all([
    import('./log-file.ts'),
    import('../host/process-identity.ts'),
  ]);
  await printLog(
    path,
    (bytes) => void process.stdout.write(bytes),
    follow ? () => isAlive(writer) : undefined,
  );
  return 0;
}
