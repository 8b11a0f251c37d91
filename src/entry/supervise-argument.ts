/** What we are started with to run a project detached; nobody types it. */
export const SUPERVISE = '__supervise';
