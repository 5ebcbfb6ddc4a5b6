/**
 * What the store is made of: values under keys. Keys are byte strings. Reads see every earlier effect at once; whether
 * and when effects become durable is the business of the engine behind the table.
 */
export interface Table<V> {
  get(key: string): V | undefined
  /** Like {@link get}, but without making room in a cache: for walks. */
  peek(key: string): V | undefined
  has(key: string): boolean
  put(key: string, value: V): void
  /** Puts a value under a key that has none. */
  insert(key: string, value: V): void
  remove(key: string): void
  /**
   * The keys, or those of one group (see {@link TableOptions.groupOf}), each as long as it exists when the walk comes to
   * it. Keys added or removed during the walk may or may not be seen.
   */
  keys(group?: string): Iterable<string>
}

export interface TableOptions {
  /** Decoded values that a table on disk keeps in memory: at most twice this number. */
  readonly cached: number
  /** The leading part of a key that forms its group; a table without it has no groups. */
  readonly groupOf?: (key: string) => string
}
