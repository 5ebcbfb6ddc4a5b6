/*
 * What a change of a text file is, as the program `diff -u` shows it.
 */

const context = 3

interface Edit {
  readonly kind: ' ' | '-' | '+'
  readonly line: string
}

/**
 * A unified diff with three lines around each change; `''` when nothing changes.
 *
 * @param before `undefined`: the file is new
 * @param after `undefined`: the file is deleted
 */
export function unifiedDiff(path: string, before: string | undefined, after: string | undefined): string {
  if (before === after) return ''
  const edits = lineEdits(splitLines(before ?? ''), splitLines(after ?? ''))
  const head = [`--- ${before === undefined ? '/dev/null' : path}`, `+++ ${after === undefined ? '/dev/null' : path}`]
  return [...head, ...hunks(edits)].map((line) => `${line}\n`).join('')
}

/** Lines as they are shown, with every line end other than a line feed visible. */
function splitLines(text: string): string[] {
  if (text === '') return []
  const lines = text.split('\n').map((line) => line.replace(/\r$/, '^M'))
  if (lines.at(-1) === '') lines.pop()
  else lines.push(`${lines.pop() ?? ''} (no line break at the end)`)
  return lines
}

function hunks(edits: readonly Edit[]): string[] {
  const shown = edits.map((_, at) => edits.slice(Math.max(0, at - context), at + context + 1).some(isChange))
  const lines: string[] = []
  let [oldLine, newLine] = [1, 1]
  for (let at = 0; at < edits.length; at += 1) {
    if (shown[at] && !shown[at - 1]) {
      const end = shown.indexOf(false, at)
      const hunk = edits.slice(at, end < 0 ? edits.length : end)
      const [oldCount, newCount] = [count(hunk, '+'), count(hunk, '-')]
      lines.push(`@@ -${range(oldLine, oldCount)} +${range(newLine, newCount)} @@`)
      lines.push(...hunk.map(({ kind, line }) => `${kind}${line}`))
    }
    if (edits[at]?.kind !== '+') oldLine += 1
    if (edits[at]?.kind !== '-') newLine += 1
  }
  return lines
}

function isChange({ kind }: Edit): boolean {
  return kind !== ' '
}

/** The number of lines on one side of a hunk. */
function count(hunk: readonly Edit[], other: '-' | '+'): number {
  return hunk.filter(({ kind }) => kind !== other).length
}

function range(line: number, length: number): string {
  return length === 0 ? `${line - 1},0` : length === 1 ? String(line) : `${line},${length}`
}

/** By the longest common subsequence, after skipping equal lines at both ends. */
function lineEdits(before: readonly string[], after: readonly string[]): Edit[] {
  let start = 0
  while (start < Math.min(before.length, after.length) && before[start] === after[start]) start += 1
  let end = 0
  const rest = Math.min(before.length, after.length) - start
  while (end < rest && before.at(-1 - end) === after.at(-1 - end)) end += 1
  const same = (lines: readonly string[]): Edit[] => lines.map((line) => ({ kind: ' ', line }))
  return [
    ...same(before.slice(0, start)),
    ...changed(before.slice(start, before.length - end), after.slice(start, after.length - end)),
    ...same(before.slice(before.length - end)),
  ]
}

function changed(before: readonly string[], after: readonly string[]): Edit[] {
  // common[i][j]: length of the longest common subsequence of before[i…] and after[j…]
  const common = Array.from({ length: before.length + 1 }, () => new Uint32Array(after.length + 1))
  const at = (i: number, j: number): number => common[i]?.[j] ?? 0
  for (let i = before.length - 1; i >= 0; i -= 1) {
    const row = common[i]
    if (!row) continue
    for (let j = after.length - 1; j >= 0; j -= 1) {
      row[j] = before[i] === after[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1))
    }
  }
  const edits: Edit[] = []
  let [i, j] = [0, 0]
  while (i < before.length || j < after.length) {
    const [old, fresh] = [before[i], after[j]]
    if (old !== undefined && old === fresh) {
      edits.push({ kind: ' ', line: old })
      i += 1
      j += 1
    } else if (old !== undefined && (fresh === undefined || at(i + 1, j) >= at(i, j + 1))) {
      edits.push({ kind: '-', line: old })
      i += 1
    } else {
      edits.push({ kind: '+', line: fresh ?? '' })
      j += 1
    }
  }
  return edits
}
