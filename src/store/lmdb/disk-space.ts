import { statfs } from 'node:fs/promises'
import type { RootDatabase } from 'lmdb'
import type { CommitLoad, CommittingTable } from './lmdb-table.ts'

const MiB = 1 << 20
const PAGE = 4096
/** How much of the disk stays free for batches that make room. */
const RESERVE = 8 * MiB
/** How much of it batches may use that fit into pages which LMDB has free within its file. */
const RESERVE_FOR_REUSE = 2 * MiB
const RESERVE_FOR_REMOVALS = MiB / 4
const LOOK_AGAIN_MS = 1000

/**
 * Refuses a batch before the disk is full. LMDB itself would only find out while it writes, and lmdb-js 3.5 then
 * overwrites memory that is not its own (the text of that error is longer than the buffer it is put into). So some of
 * the disk is kept free; what is received, deleted or expired may use it, because it gives room for the rest.
 */
export class DiskSpace {
  readonly #path: string
  readonly #root: RootDatabase<Buffer, string>
  readonly #tables: readonly CommittingTable[]
  /** Bytes that may be written without looking at the disk again. */
  #allowance = 0
  #lookedAt = -Infinity

  constructor(path: string, root: RootDatabase<Buffer, string>, tables: readonly CommittingTable[]) {
    this.#path = path
    this.#root = root
    this.#tables = tables
  }

  /** Whether the batch is known to fit; if not, {@link look}. */
  fits(load: CommitLoad): boolean {
    const needed = load.pages * PAGE
    if (needed > this.#allowance || performance.now() - this.#lookedAt > LOOK_AGAIN_MS) return false
    this.#allowance -= needed
    return true
  }

  /** Looks at the disk. @throws Error when the batch must not be written */
  async look(load: CommitLoad): Promise<void> {
    const { bavail, bsize } = await statfs(this.#path)
    const free = bavail * bsize
    const needed = load.pages * PAGE
    this.#lookedAt = performance.now()
    this.#allowance = Math.max(0, (free - RESERVE) / 2 - needed)
    if (free >= RESERVE + needed) return
    if (load.removed > load.inserted && free >= RESERVE_FOR_REMOVALS) return
    if (free >= RESERVE_FOR_REUSE + needed && this.#unusedPages() >= 2 * load.pages) return
    throw new Error(`only ${Math.floor(free / MiB)} MiB left on the disk`)
  }

  /** Pages within the file that no table uses. */
  #unusedPages(): number {
    const stats = this.#root.getStats() as EnvironmentStats
    let used = 2 + pagesOf(stats.root) + pagesOf(stats.free)
    for (const table of this.#tables) used += pagesOf(table.stats() as TreeStats)
    return stats.lastPageNumber + 1 - used
  }
}

interface TreeStats {
  readonly treeBranchPageCount: number
  readonly treeLeafPageCount: number
  readonly overflowPages: number
}

interface EnvironmentStats {
  readonly lastPageNumber: number
  readonly root: TreeStats
  readonly free: TreeStats
}

function pagesOf(tree: TreeStats): number {
  return tree.treeBranchPageCount + tree.treeLeafPageCount + tree.overflowPages
}
