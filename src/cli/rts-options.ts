/**
 * Takes out the run-time options of Haskell programs, which every published service unit passes: from `+RTS` up to
 * `-RTS` or the end, at any place, until `--RTS` or `--` ends that. They mean nothing here.
 */
export function withoutRtsOptions(args: readonly string[]): string[] {
  const kept: string[] = []
  let inside = false
  for (const [index, arg] of args.entries()) {
    if (arg === '--RTS') return [...kept, ...args.slice(index + 1)]
    if (!inside && arg === '--') return [...kept, ...args.slice(index)]
    if (arg === '+RTS') inside = true
    else if (arg === '-RTS') inside = false
    else if (!inside) kept.push(arg)
  }
  return kept
}
