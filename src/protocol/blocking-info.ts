import { refuse, type Reader } from './reader.ts'
import { since } from './versions.ts'
import type { Writer } from './writer.ts'

export type BlockingReason = 'spam' | 'content'

/** Why a queue is blocked, and what its owner may be told about it. */
export interface BlockingInfo {
  readonly reason: BlockingReason
  readonly notice?: BlockingNotice
}

export interface BlockingNotice {
  /** Seconds. */
  readonly ttl?: number
}

const PATTERN = /^reason=(spam|content)(?:,notice=(\{.*\}))?$/su

/**
 *     blockingInfo = "reason=" ( "spam" / "content" ) [ ",notice=" json ]      ; json: {"ttl":seconds} or {}
 */
export function readBlockingInfo(r: Reader): BlockingInfo {
  return parseBlockingInfo(r.tailText()) ?? refuse()
}

/** Versions below 18 do not get the notice. */
export function writeBlockingInfo(w: Writer, info: BlockingInfo, version: number): void {
  const notice = version >= since.blockedNotice ? info.notice : undefined
  w.ascii(formatBlockingInfo({ reason: info.reason, ...(notice && { notice }) }))
}

/** The text form, which stored queue records use as well. */
export function formatBlockingInfo(info: BlockingInfo): string {
  const notice = info.notice === undefined ? '' : `,notice=${JSON.stringify({ ttl: info.notice.ttl })}`
  return `reason=${info.reason}${notice}`
}

export function parseBlockingInfo(text: string): BlockingInfo | undefined {
  const match = PATTERN.exec(text)
  if (match === null) return undefined
  const reason = match[1] === 'spam' ? 'spam' : 'content'
  if (match[2] === undefined) return { reason }
  const notice = parseNotice(match[2])
  return notice && { reason, notice }
}

function parseNotice(json: string): BlockingNotice | undefined {
  const value = parseJson(json)
  if (typeof value !== 'object' || value === null) return undefined
  const ttl: unknown = 'ttl' in value ? value.ttl : undefined
  if (ttl === undefined || ttl === null) return {}
  return typeof ttl === 'number' && Number.isSafeInteger(ttl) ? { ttl } : undefined
}

function parseJson(json: string): unknown {
  try {
    return JSON.parse(json)
  } catch {
    return undefined
  }
}
