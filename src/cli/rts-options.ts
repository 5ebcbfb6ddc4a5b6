/**
 * Drops the options of the Haskell runtime, which every published service unit of upstream passes: from `+RTS` up to
 * `-RTS` or the end, anywhere; `--RTS` or `--` ends that.
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
