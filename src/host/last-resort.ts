/** What is done when the process exits with work unfinished: after a crash, or when a second signal leaves no time. */
const actions = new Set<() => void>();

/** Registers a synchronous clean-up for an exit that comes too early; returns how it is taken back. */
export function onEarlyExit(action: () => void): () => void {
  if (actions.size === 0) process.once('exit', cleanUp);
  actions.add(action);
  return () => {
    actions.delete(action);
    if (actions.size === 0) process.off('exit', cleanUp);
  };
}

/** The last registered comes first: programs are ended before the directories that they write to are removed. */
function cleanUp(): void {
  for (const action of [...actions].reverse()) {
    try {
      action();
    } catch {
      // the others still have their turn
    }
  }
}
