/*
 * The file of LMDB 1.0 as lmdb-js writes it on 64-bit little-endian machines (mdb.c: MDB_page, MDB_meta, MDB_node):
 *
 *   file   = meta meta *page                         pages of one size, that of the machine that made the file
 *   page   = u64 number ‖ u64 txnId ‖ u16 pad ‖ u16 kind ‖ u16 lower ‖ u16 upper ‖ lower/2·u16 offset ‖ … nodes
 *   meta   = page header ‖ u32 magic ‖ u32 version ‖ u64 address ‖ u64 mapSize ‖ free tree ‖ main tree ‖ u64 lastPage
 *            ‖ u64 txnId                             transaction n writes meta n mod 2
 *   tree   = u32 pageSize (free tree only) ‖ u16 flags ‖ u16 depth ‖ u64 branchPages ‖ u64 leafPages
 *            ‖ u64 overflowPages ‖ u64 entries ‖ u64 root
 *   branch node = u48 page ‖ u16 keySize ‖ key
 *   leaf node   = u32 dataSize ‖ u16 flags ‖ u16 keySize ‖ key ‖ (data / overflow / tree)
 *   overflow    = u64 page ‖ u64 txnId ‖ u64 pages   for data that has pages of its own: one header, then the data
 *
 * Offsets and bounds within a page count from the end of its header.
 */

export const HEADER = 24
export const META_BYTES = HEADER + 24 + 2 * 48 + 16
const MAGIC = 0xbeefc0de
const DATA_VERSION = 2
const NODE_HEADER = 8
export const OVERFLOW_BYTES = 24
const TREE_BYTES = 48

const BRANCH = 0x01
const LEAF = 0x02
const OVERFLOW = 0x04
const META = 0x08
const KINDS = 0x6f

const BIG_DATA = 0x01
const SUB_DATA = 0x02

export interface Tree {
  /** Undefined for an empty tree. */
  readonly root: number | undefined
  readonly depth: number
  readonly branchPages: number
  readonly leafPages: number
  readonly overflowPages: number
  readonly entries: number
}

export interface Meta {
  readonly pageSize: number
  readonly txnId: number
  /** Number of the last page in use; the file may be shorter where the last pages are free. */
  readonly lastPage: number
  readonly free: Tree
  readonly main: Tree
}

/** The meta page at the start of `bytes`; undefined when it is none. */
export function readMeta(bytes: Buffer, index: 0 | 1): Meta | undefined {
  if (bytes.length < META_BYTES || readU64(bytes, 0) !== index || (bytes.readUInt16LE(18) & META) === 0)
    return undefined
  if (bytes.readUInt32LE(HEADER) !== MAGIC || (bytes.readUInt32LE(HEADER + 4) & 0xffff) !== DATA_VERSION)
    return undefined
  const trees = HEADER + 24
  const pageSize = bytes.readUInt32LE(trees)
  if (pageSize < 512 || pageSize > 65_536 || (pageSize & (pageSize - 1)) !== 0) return undefined
  return {
    pageSize,
    txnId: readU64(bytes, trees + 2 * TREE_BYTES + 8),
    lastPage: readU64(bytes, trees + 2 * TREE_BYTES),
    free: readTree(bytes, trees),
    main: readTree(bytes, trees + TREE_BYTES),
  }
}

function readTree(bytes: Buffer, at: number): Tree {
  const root = readU64(bytes, at + 40)
  return {
    root: root > Number.MAX_SAFE_INTEGER ? undefined : root,
    depth: bytes.readUInt16LE(at + 6),
    branchPages: readU64(bytes, at + 8),
    leafPages: readU64(bytes, at + 16),
    overflowPages: readU64(bytes, at + 24),
    entries: readU64(bytes, at + 32),
  }
}

/** Numbers beyond 2^53 lose their last bits, and are beyond everything that they are compared with. */
function readU64(bytes: Buffer, at: number): number {
  return bytes.readUInt32LE(at) + bytes.readUInt32LE(at + 4) * 2 ** 32
}

/** What is wrong with a page. `newer`: it is of a later transaction than the meta page that leads to it. */
export type PageFault = 'empty' | 'number' | 'newer' | 'kind' | 'content'

export interface PageNeeds {
  readonly number: number
  readonly txnId: number
  readonly kind: 'tree' | 'overflow'
}

/** Checks the header of a page, and for a branch or leaf that every node lies within it. */
export function pageFault(page: Buffer, { number, txnId, kind }: PageNeeds): PageFault | undefined {
  if (readU64(page, 0) !== number) return isZero(page) ? 'empty' : 'number'
  if (readU64(page, 8) > txnId) return 'newer'
  const kinds = page.readUInt16LE(18) & KINDS
  if (kind === 'overflow') return kinds === OVERFLOW ? undefined : 'kind'
  if (kinds !== BRANCH && kinds !== LEAF) return 'kind'
  return nodesFit(page, kinds === BRANCH) ? undefined : 'content'
}

function nodesFit(page: Buffer, branch: boolean): boolean {
  const room = page.length - HEADER
  const lower = page.readUInt16LE(20)
  const upper = page.readUInt16LE(22)
  if (lower === 0 || lower % 2 !== 0 || lower > upper || upper > room) return false
  let taken = 0
  for (let at = HEADER; at < HEADER + lower; at += 2) {
    const offset = page.readUInt16LE(at)
    if (offset < upper || offset + NODE_HEADER > room) return false
    const size = branch ? branchNodeSize(page, HEADER + offset) : leafNodeSize(page, HEADER + offset)
    if (offset + size > room) return false
    taken += size + (size & 1)
  }
  // Nodes lie one beside the other up to the end of the page.
  return taken === room - upper
}

function branchNodeSize(page: Buffer, node: number): number {
  return NODE_HEADER + page.readUInt16LE(node + 6)
}

function leafNodeSize(page: Buffer, node: number): number {
  const data = (page.readUInt16LE(node + 4) & BIG_DATA) === 0 ? page.readUInt32LE(node) : OVERFLOW_BYTES
  return NODE_HEADER + page.readUInt16LE(node + 6) + data
}

function isZero(page: Buffer): boolean {
  return page.every((byte) => byte === 0)
}

// The functions below are for pages without a fault.

export function overflowPagesOf(page: Buffer): number {
  return page.readUInt32LE(20)
}

export function nodeCount(page: Buffer): number {
  return page.readUInt16LE(20) >>> 1
}

/** The page that node `i` of a branch leads to. */
export function childPage(page: Buffer, i: number): number {
  const node = HEADER + page.readUInt16LE(HEADER + 2 * i)
  return page.readUIntLE(node, 6)
}

export type LeafData =
  | { readonly type: 'data'; readonly bytes: Buffer }
  | { readonly type: 'overflow'; readonly page: number; readonly pages: number; readonly size: number }
  | { readonly type: 'tree'; readonly tree: Tree }
  | { readonly type: 'unknown' }

/** The key of node `i` of a leaf, a view into the page. */
export function leafKey(page: Buffer, i: number): Buffer {
  const node = HEADER + page.readUInt16LE(HEADER + 2 * i)
  return page.subarray(node + NODE_HEADER, node + NODE_HEADER + page.readUInt16LE(node + 6))
}

/** The data of node `i` of a leaf; bytes are a view into the page. */
export function leafData(page: Buffer, i: number): LeafData {
  const node = HEADER + page.readUInt16LE(HEADER + 2 * i)
  const size = page.readUInt32LE(node)
  const flags = page.readUInt16LE(node + 4)
  const at = node + NODE_HEADER + page.readUInt16LE(node + 6)
  if (flags === 0) return { type: 'data', bytes: page.subarray(at, at + size) }
  if (flags === BIG_DATA) {
    return { type: 'overflow', page: readU64(page, at), pages: readU64(page, at + 16), size }
  }
  if (flags === SUB_DATA && size === TREE_BYTES) return { type: 'tree', tree: readTree(page, at) }
  return { type: 'unknown' }
}

/** Whether node `i` of a leaf has data outside of it: cheaper to ask than {@link leafData}. */
export function leadsElsewhere(page: Buffer, i: number): boolean {
  const node = HEADER + page.readUInt16LE(HEADER + 2 * i)
  return page.readUInt16LE(node + 4) !== 0
}

/** The transaction that wrote a branch, leaf or overflow page; undefined when it is none. */
export function pageTxnId(page: Buffer, number: number): number | undefined {
  const kinds = page.readUInt16LE(18) & KINDS
  const isPage = readU64(page, 0) === number && (kinds === BRANCH || kinds === LEAF || kinds === OVERFLOW)
  return isPage ? readU64(page, 8) : undefined
}

export function pageKind(page: Buffer): 'branch' | 'leaf' | 'overflow' {
  const kinds = page.readUInt16LE(18) & KINDS
  return kinds === BRANCH ? 'branch' : kinds === LEAF ? 'leaf' : 'overflow'
}

/** Gives a page a new number, and new numbers to the pages that it leads to. */
export function relinkPage(page: Buffer, number: number, renumber: (page: number) => number): void {
  writeU64(page, number, 0)
  const kind = pageKind(page)
  if (kind === 'overflow') return
  for (let i = 0; i < nodeCount(page); i++) {
    const node = HEADER + page.readUInt16LE(HEADER + 2 * i)
    if (kind === 'branch') page.writeUIntLE(renumber(page.readUIntLE(node, 6)), node, 6)
    else if (page.readUInt16LE(node + 4) !== 0) {
      const at = node + NODE_HEADER + page.readUInt16LE(node + 6)
      if (page.readUInt16LE(node + 4) === BIG_DATA) writeU64(page, renumber(readU64(page, at)), at)
      else relinkRoot(page, at, renumber)
    }
  }
}

export interface MetaChanges {
  readonly index: 0 | 1
  readonly txnId: number
  readonly lastPage: number
  readonly renumber: (page: number) => number
}

/** Makes a meta page one of a file without free pages. */
export function relinkMeta(page: Buffer, { index, txnId, lastPage, renumber }: MetaChanges): void {
  const trees = HEADER + 24
  writeU64(page, index, 0)
  page.fill(0, trees + 6, trees + 40)
  page.fill(0xff, trees + 40, trees + TREE_BYTES)
  relinkRoot(page, trees + TREE_BYTES, renumber)
  writeU64(page, lastPage, trees + 2 * TREE_BYTES)
  writeU64(page, txnId, trees + 2 * TREE_BYTES + 8)
}

function relinkRoot(page: Buffer, tree: number, renumber: (page: number) => number): void {
  const { root } = readTree(page, tree)
  if (root !== undefined) writeU64(page, renumber(root), tree + 40)
}

function writeU64(page: Buffer, value: number, at: number): void {
  page.writeUInt32LE(value % 2 ** 32, at)
  page.writeUInt32LE(Math.floor(value / 2 ** 32), at + 4)
}
