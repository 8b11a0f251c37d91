/**
 * Host key of every fake guest; nobody trusts it. Fixed, because now and then ssh2 makes a key that it
 * cannot read again (3 of 2000 with ssh2 1.17).
 */
export const HOST_KEY = `\
-----BEGIN OPENSSH PRIVATE KEY-----
b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW
QyNTUxOQAAACB5s0twGDdOgANEpo55ogkaxhxGDAnkygpDW0Ly1M/U+QAAAJBQicRVUInE
VQAAAAtzc2gtZWQyNTUxOQAAACB5s0twGDdOgANEpo55ogkaxhxGDAnkygpDW0Ly1M/U+Q
AAAEBEbwTmPsuGt9X0fixxOM7CJn8j492sKuBfvUWoN9nUKXmzS3AYN06AA0SmjnmiCRrG
HEYMCeTKCkNbQvLUz9T5AAAACmZha2UgZ3Vlc3QBAgM=
-----END OPENSSH PRIVATE KEY-----
`;
