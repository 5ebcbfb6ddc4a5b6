import type { Table } from '../tables/table.ts'

/** A table in memory alone, which keeps values as they are given. */
export class MapTable<V> implements Table<V> {
  readonly #values = new Map<string, V>()
  readonly #groups = new Map<string, Set<string>>()
  readonly #groupOf: ((key: string) => string) | undefined

  constructor(groupOf?: (key: string) => string) {
    this.#groupOf = groupOf
  }

  get(key: string): V | undefined {
    return this.#values.get(key)
  }

  peek(key: string): V | undefined {
    return this.#values.get(key)
  }

  has(key: string): boolean {
    return this.#values.has(key)
  }

  put(key: string, value: V): void {
    this.#values.set(key, value)
    if (this.#groupOf === undefined) return
    const group = this.#groupOf(key)
    const members = this.#groups.get(group)
    if (members === undefined) this.#groups.set(group, new Set([key]))
    else members.add(key)
  }

  insert(key: string, value: V): void {
    this.put(key, value)
  }

  remove(key: string): void {
    this.#values.delete(key)
    if (this.#groupOf === undefined) return
    const group = this.#groupOf(key)
    const members = this.#groups.get(group)
    members?.delete(key)
    if (members?.size === 0) this.#groups.delete(group)
  }

  keys(group?: string): Iterable<string> {
    return group === undefined ? this.#values.keys() : (this.#groups.get(group) ?? [])
  }
}
