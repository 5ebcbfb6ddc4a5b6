import { statfs } from 'node:fs/promises'
import type { CommitLoad, CommittingTable, TreeStats } from './lmdb-table.ts'
import { openTail, type Tail } from './tail.ts'

const MiB = 1 << 20
/** Free disk space that growth leaves to everything else on the disk, in bytes. */
const DISK_RESERVE = 8 * MiB
/** Pages at the end of the file for batches that make room: what is received, deleted or expired. */
const REMOVAL_PAGES = 256
/** Pages for the list of free pages, which every commit writes too. */
const LIST_PAGES = 32
const MIN_GROWTH = 256
const MAX_GROWTH = 1024

/** The root database, as far as it tells what the file holds. */
export interface FileStats {
  getStats(): unknown
}

/**
 * Makes sure before a commit that the disk has room for it, because a failing write inside LMDB corrupts the heap
 * (lmdb-js 3.5 puts the text of that error into a buffer that is too short). The data file ends with pages that nothing
 * uses yet: zeros that were written and synced from here, so that a full disk, an exceeded quota or a bad sector shows
 * here. A commit is let through only when it fits into that tail even if LMDB reuses no page at all; another program
 * that fills the disk meanwhile changes nothing.
 */
export class ReservedSpace {
  readonly #path: string
  readonly #stats: FileStats
  readonly #tables: readonly CommittingTable[]
  #tail: Promise<Tail> | undefined
  /** Pages of the tail that commits since the last look cannot have used. */
  #left = 0

  constructor(path: string, stats: FileStats, tables: readonly CommittingTable[]) {
    this.#path = path
    this.#stats = stats
    this.#tables = tables
  }

  /** Whether the batch is known to fit; if not, {@link look}. */
  fits(load: CommitLoad): boolean {
    const needed = load.pages + LIST_PAGES
    if (this.#left - needed < REMOVAL_PAGES) return false
    this.#left -= needed
    return true
  }

  /** Grows the file if it has to. @throws Error when the batch must not be written */
  async look(load: CommitLoad): Promise<void> {
    this.#left = 0
    const tail = await (this.#tail ??= openTail(this.#path))
    const needed = LIST_PAGES + this.#tables.reduce((sum, table) => sum + table.pagesToCommit(), 0)
    const { lastPageNumber } = this.#stats.getStats() as EnvironmentStats
    const room = (): number => tail.pages - (lastPageNumber + 1)
    let fault: Error | undefined
    if (room() - needed < REMOVAL_PAGES) {
      try {
        await this.#grow(tail, needed + REMOVAL_PAGES - room())
      } catch (error) {
        fault = error instanceof Error ? error : new Error(String(error))
      }
    }
    if (fault === undefined || isAllowed(load, needed, { room: room(), unused: () => this.#unusedPages() })) {
      this.#left = Math.max(0, room() - needed)
      return
    }
    throw fault
  }

  async close(): Promise<void> {
    await (await this.#tail)?.close()
  }

  async #grow(tail: Tail, needed: number): Promise<void> {
    const wanted = Math.max(needed, Math.min(MAX_GROWTH, Math.max(MIN_GROWTH, tail.pages >> 4)))
    const { bavail, bsize } = await statfs(this.#path)
    const free = bavail * bsize
    for (const pages of new Set([wanted, needed])) {
      if (free < DISK_RESERVE + pages * tail.pageSize) continue
      await tail.grow(pages)
      return
    }
    throw new Error(`only ${Math.floor(free / MiB)} MiB left on the disk`)
  }

  /** Pages within the file that no table uses. */
  #unusedPages(): number {
    const stats = this.#stats.getStats() as EnvironmentStats
    let used = 2 + pagesOf(stats.root) + pagesOf(stats.free)
    for (const table of this.#tables) used += pagesOf(table.stats())
    return stats.lastPageNumber + 1 - used
  }
}

/** Without more room: what removes may use the last of it, and what will most likely reuse free pages. */
function isAllowed(
  load: CommitLoad,
  needed: number,
  { room, unused }: { room: number; unused: () => number },
): boolean {
  if (room < needed) return false
  return load.removed > load.inserted || unused() >= 2 * needed
}

interface EnvironmentStats {
  readonly lastPageNumber: number
  readonly root: TreeStats
  readonly free: TreeStats
}

function pagesOf(tree: TreeStats): number {
  return tree.treeBranchPageCount + tree.treeLeafPageCount + tree.overflowPages
}
