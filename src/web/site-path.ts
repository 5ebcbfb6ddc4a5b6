/** What a request asks for: a file or directory below the root of the site, or why it is refused. */
export type SitePath =
  | { readonly type: 'path'; readonly names: readonly string[] }
  | { readonly type: 'malformed' }
  | { readonly type: 'forbidden' }

/**
 * The path segments of a URL. Segments that begin with a dot are refused (including `..`), except /.well-known, whose
 * directory has no dot.
 */
export function sitePath(url: string): SitePath {
  if (!url.startsWith('/')) return { type: 'malformed' }
  const names = decoded(url.split(/[?#]/, 1)[0] ?? '')
  if (names === undefined || names.some((name) => /[/\\\0]/.test(name))) return { type: 'malformed' }
  if (names[0] === '.well-known') names[0] = 'well-known'
  return names.some((name) => name.startsWith('.')) ? { type: 'forbidden' } : { type: 'path', names }
}

function decoded(path: string): string[] | undefined {
  try {
    return path
      .split('/')
      .filter((name) => name !== '')
      .map(decodeURIComponent)
  } catch {
    return undefined
  }
}
