interface Node<T> {
  readonly key: number
  /** Order of pushing. */
  readonly turn: number
  readonly item: T
}

/** A binary heap: the item with the least key comes out first, of those with equal keys the one that was pushed first. */
export class Heap<T> {
  readonly #nodes: Node<T>[] = []
  #pushed = 0

  get size(): number {
    return this.#nodes.length
  }

  push(item: T, key: number): void {
    const nodes = this.#nodes
    const node = { key, turn: this.#pushed++, item }
    let at = nodes.length
    nodes.push(node)
    while (at > 0) {
      const above = (at - 1) >> 1
      const parent = nodes[above]
      if (parent === undefined || !isBefore(node, parent)) break
      nodes[at] = parent
      at = above
    }
    nodes[at] = node
  }

  pop(): T | undefined {
    const nodes = this.#nodes
    const first = nodes[0]
    const last = nodes.pop()
    if (first === undefined || last === undefined || nodes.length === 0) return first?.item
    let at = 0
    for (;;) {
      const [left, right] = [nodes[2 * at + 1], nodes[2 * at + 2]]
      const isRight = right !== undefined && left !== undefined && isBefore(right, left)
      const child = isRight ? right : left
      if (child === undefined || !isBefore(child, last)) break
      nodes[at] = child
      at = 2 * at + (isRight ? 2 : 1)
    }
    nodes[at] = last
    return first.item
  }
}

function isBefore<T>(a: Node<T>, b: Node<T>): boolean {
  return a.key < b.key || (a.key === b.key && a.turn < b.turn)
}
