/** Internal argument that starts the supervisor of a detached project. */
export const SUPERVISE = '__supervise';
