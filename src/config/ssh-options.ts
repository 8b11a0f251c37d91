/** Options of ssh_config(5) that require a separate connection instead of sharing the existing login. */
const OF_CONNECTION = /^\s*(Control(Master|Path)|Proxy(Command|Jump)|HostName|Port|User)\b/i;

export function isOfConnection(option: string): boolean {
  return OF_CONNECTION.test(option);
}
