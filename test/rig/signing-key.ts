import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** An OpenPGP key that signs as a vendor does. */
export class SigningKey implements Disposable {
  readonly fingerprint: string;
  /** The public key, ASCII-armoured. */
  readonly publicKey: string;
  /** Short, because of the socket of gpg-agent. */
  readonly #home = mkdtempSync('/tmp/tr-gpg-');
  readonly #time: readonly string[];
  readonly #signed = new Map<string, string>();

  /** Generates a key; an expired one signs while it is valid. */
  constructor(user = 'Vendor <vendor@example.org>', { isExpired = false } = {}) {
    // fixed, since gpgv prints it
    this.#time = ['--faked-system-time', isExpired ? '20200101T000000!' : '20260701T000000!'];
    const expiry = isExpired ? '1d' : 'never';
    this.#gpg(['--passphrase', '', '--quick-generate-key', user, 'ed25519', 'sign', expiry]);
    const listed = this.#gpg(['--with-colons', '--list-keys']).toString();
    this.fingerprint = /^fpr:+([0-9A-F]{40}):/m.exec(listed)?.[1] ?? '';
    this.publicKey = this.#gpg(['--armor', '--export']).toString();
  }

  /** A detached signature, ASCII-armoured. */
  detached(text: string): string {
    return this.#sign(text, '--detach-sign');
  }

  clearSigned(text: string): string {
    return this.#sign(text, '--clear-sign');
  }

  [Symbol.dispose](): void {
    execFileSync('gpgconf', ['--homedir', this.#home, '--kill', 'all'], { stdio: 'ignore' });
    rmSync(this.#home, { recursive: true, force: true });
  }

  /** Signs a text, each once. */
  #sign(text: string, mode: string): string {
    const earlier = this.#signed.get(`${mode} ${text}`);
    if (earlier !== undefined) return earlier;
    const [input, output] = [join(this.#home, 'input'), join(this.#home, 'output')];
    writeFileSync(input, text);
    this.#gpg(['--yes', '--armor', '--passphrase', '', '--output', output, mode, input]);
    const signed = readFileSync(output, 'utf8');
    this.#signed.set(`${mode} ${text}`, signed);
    return signed;
  }

  #gpg(args: readonly string[]): Buffer {
    const common = [
      '--homedir',
      this.#home,
      '--batch',
      '--quiet',
      '--pinentry-mode',
      'loopback',
      ...this.#time,
    ];
    return execFileSync('gpg', [...common, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  }
}
