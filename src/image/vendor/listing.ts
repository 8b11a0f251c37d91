/** Links in HTML, and the entries of a bucket's XML. */
const ENTRY = /\bhref\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))|<(?:Key|Prefix)>([^<]*)<\/(?:Key|Prefix)>/gi;

const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', '#39': "'" };

/** Names in a directory listing of a web server or a bucket; those of directories end in "/". */
export function namesInListing(listing: string): string[] {
  const names = [...listing.matchAll(ENTRY)].flatMap(([, ...links]) =>
    lastComponent(links.find(Boolean) ?? ''),
  );
  return [...new Set(names)];
}

/** The last component of a link, since servers write absolute and relative ones. */
function lastComponent(link: string): string[] {
  const unescaped = link.replaceAll(/&(#?\w+);/g, (whole, name: string) => ENTITIES[name] ?? whole);
  const [path = ''] = unescaped.split(/[?#]/);
  const name = /[^/]+\/?$/.exec(path)?.[0];
  if (name === undefined) return [];
  try {
    const decoded = decodeURIComponent(name);
    return /^\.{1,2}\/?$|\/.|\p{Control}/u.test(decoded) ? [] : [decoded];
  } catch {
    // not an encoded name
    return [];
  }
}
