/** Options of ssh_config(5) by which a session makes a connection of its own, and does not share the login that is there. */
const OF_CONNECTION = /^\s*(Control(Master|Path)|Proxy(Command|Jump)|HostName|Port|User)\b/i;

export function isOfConnection(option: string): boolean {
  return OF_CONNECTION.test(option);
}
