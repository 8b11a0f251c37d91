import type { Environment } from '../../config/merge.ts';
import { netrcCredentials } from './netrc.ts';

/** Credentials for one server: its origin, and the value of the Authorization header. */
export interface Authorization {
  readonly origin: string;
  readonly header: string;
}

/** Finds the credentials for a URL, in the URL itself or in the user's `.netrc`. */
export async function authorizationFor(
  url: URL,
  environment: Environment,
): Promise<Authorization | undefined> {
  const { origin, hostname } = url;
  const inUrl = basicHeaderOf(url);
  if (inUrl !== undefined) return { origin, header: inUrl };
  const found = await netrcCredentials(hostname, environment);
  return found && { origin, header: basicHeader(found.name, found.password) };
}

/** Authorization header value for the user name and password of a URL (RFC 7617). */
export function basicHeaderOf({ username, password }: URL): string | undefined {
  if (username === '' && password === '') return undefined;
  return basicHeader(decoded(username), decoded(password));
}

function basicHeader(name: string, password: string): string {
  return `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`;
}

/** Decodes percent encoding; a percent sign that encodes nothing stands for itself. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
