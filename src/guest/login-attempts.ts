import type { Machine } from '../plan/executor.ts';
import { TransientError } from '../problem.ts';
import { hostKeyIn } from './host-key.ts';
import type { Offer } from './keys.ts';
import { keyFilesOf, optionKeyFiles, readPrivateKeys } from './keys.ts';
import type { RunScript } from './login-key.ts';
import type { LoginTry } from './readiness.ts';
import type { Master, Target } from './ssh-program.ts';
import { openMaster } from './ssh-program.ts';
import { askBy, login } from './ssh.ts';

/** Cycles through the offers; the first that is accepted is used. */
export function inTurn(offers: readonly Offer[]): () => Offer {
  let count = 0;
  return () => offers[count++ % offers.length] ?? 'vm';
}

/** Logs in with the user's ssh program as a master for sessions. */
export function loginForSessions(
  target: Target & { readonly controlPath: string },
  { directory, loginKey }: Machine,
  nextOffer: () => Offer,
  onOpen: (master: Master, offer: Offer) => void,
): LoginTry {
  return async (signal, greeted) => {
    const offer = nextOffer();
    const keyFiles = await keyFilesOf(directory, loginKey, offer);
    const opened = await openMaster({ ...target, offer, keyFiles }, signal, greeted);
    if ('refused' in opened) return opened.refused;
    onOpen(opened, offer);
    return undefined;
  };
}

/** Logs in and out again with ssh2. */
export function loginOfOurOwn(
  { ssh, port }: Target,
  { loginKey, seed }: Machine,
  nextOffer: () => Offer,
  treatKeys: (run: RunScript, signal: AbortSignal) => Promise<void>,
): LoginTry {
  return async (signal, socket) => {
    try {
      const offer = nextOffer();
      const keys = await readPrivateKeys(loginKey, optionKeyFiles(ssh.options), offer);
      const hostKey = seed && (await hostKeyIn(seed.knownHosts));
      const withAgent = offer === 'agent';
      const client = await login(
        { port, user: ssh.user, keys, withAgent, hostKey, ...(socket ? { socket } : {}) },
        signal,
      );
      try {
        if (offer === 'vm') await treatKeys(async (script, until) => askBy(client, script, until), signal);
      } finally {
        client.end();
      }
      return undefined;
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof TransientError) throw error;
      return error instanceof Error ? error.message : String(error);
    }
  };
}
