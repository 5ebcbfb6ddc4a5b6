const acts = new Set<() => void>()

/** Something to be done when the benchmark is broken off; the result forgets it. */
export const atEnd = (act: () => void): (() => void) => {
  acts.add(act)
  return () => acts.delete(act)
}

/** Does all that was not forgotten. */
export const endAll = (): void => {
  for (const act of acts) act()
  acts.clear()
}
