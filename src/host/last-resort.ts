/** Clean-ups on exit with unfinished work: after a crash or a second signal. */
const actions = new Set<() => void>();

/** Registers a synchronous clean-up for an early exit; returns a function to unregister it. */
export function onEarlyExit(action: () => void): () => void {
  if (actions.size === 0) process.once('exit', cleanUp);
  actions.add(action);
  return () => {
    actions.delete(action);
    if (actions.size === 0) process.off('exit', cleanUp);
  };
}

/** Runs clean-ups in reverse order: programs are killed before the directories they write to are removed. */
function cleanUp(): void {
  for (const action of [...actions].reverse()) {
    try {
      action();
    } catch {
      // the others still run
    }
  }
}
