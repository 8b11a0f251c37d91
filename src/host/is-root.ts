/** Whether what we make belongs to root. */
export function isRoot(): boolean {
  return process.geteuid?.() === 0;
}
