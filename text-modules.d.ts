/** Files that the bundler imports as text (scripts/build.mjs). */
declare module '*.toml' {
  const text: string;
  export default text;
}

declare module '*.asc' {
  const text: string;
  export default text;
}
