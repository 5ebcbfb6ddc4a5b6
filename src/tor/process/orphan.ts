import { readFileSync } from 'node:fs'
import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import * as v from 'valibot'
import { writeDurably } from '../../system/durable-file.ts'
import { isRunning, processMark, type ProcessMark, thisProcess } from '../../system/process-mark.ts'

/*
 * The tor that a relay has left behind. An own tor ends with the connection of the relay that started it, unless it is
 * kept for the next relay. One that hangs does not notice, and would keep its data directory from every tor after it; so
 * the next relay ends it.
 */

/** How long an orphan gets to end by itself. */
const GRACE_MS = 1000
const END_MS = 5000

const mark = v.object({
  pid: v.pipe(v.number(), v.integer(), v.minValue(2)),
  processStart: v.exactOptional(v.string()),
})
const owned = v.object({ owner: mark, tor: mark, torrc: v.string(), config: v.exactOptional(v.string()) })

const ownerFile = (directory: string): string => join(directory, 'owner.json')

/** A tor whose relay is gone. */
export interface Orphan {
  readonly tor: ProcessMark
  /** What it was started with, if it is kept for the next relay. */
  readonly config?: string
}

/** Remembers which tor this process owns in a data directory. */
export async function rememberOwnTor(directory: string, pid: number, torrc: string, config?: string): Promise<void> {
  const tor = processMark(pid)
  const text = `${JSON.stringify({ owner: thisProcess(), tor, torrc, config })}\n`
  await writeDurably(ownerFile(directory), text, { mode: 0o600, ifExists: 'replace' })
}

/**
 * The tor that a relay has left in this data directory when it ended. Only that one: its start, and the torrc that it was
 * started with, must be those that were remembered.
 */
export async function findOrphan(directory: string, torrc: string): Promise<Orphan | undefined> {
  const text = await readFile(ownerFile(directory), 'utf8').catch(() => '{}')
  const found = v.safeParse(owned, parsed(text))
  if (!found.success) return undefined
  const { owner, tor, torrc: its, config } = found.output
  if (isRunning(owner) || its !== torrc || !isOrphan(tor, torrc)) return undefined
  return { tor, ...(config !== undefined && { config }) }
}

/**
 * Ends the tor that {@link findOrphan} finds.
 *
 * @returns its process, when there was one
 */
export async function endOrphan(directory: string, torrc: string): Promise<number | undefined> {
  const orphan = await findOrphan(directory, torrc)
  if (!orphan) return undefined
  const { tor, config } = orphan
  if (config !== undefined) process.kill(tor.pid, 'SIGTERM')
  if (await hasEnded(tor, GRACE_MS)) return config === undefined ? undefined : tor.pid
  if (isOrphan(tor, torrc)) process.kill(tor.pid, 'SIGKILL')
  await hasEnded(tor, END_MS)
  await rm(ownerFile(directory), { force: true })
  return tor.pid
}

function isOrphan(tor: ProcessMark, torrc: string): boolean {
  return tor.processStart !== undefined && isRunning(tor) && argumentsOf(tor.pid).includes(torrc)
}

function argumentsOf(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
  } catch {
    return []
  }
}

/** Whether the process ends within that time. */
export async function hasEnded(tor: ProcessMark, withinMs: number): Promise<boolean> {
  const deadline = performance.now() + withinMs
  while (isRunning(tor)) {
    if (performance.now() > deadline) return false
    await sleep(50)
  }
  return true
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
