import { existsSync } from 'node:fs'
import { rename } from 'node:fs/promises'
import type { Command } from 'commander'
import { AppError } from '../errors/app-error.ts'
import { Refusal } from '../errors/refusal.ts'
import { DEFAULT_QUOTA, type StoreCounts } from '../store/store.ts'
import type { Context } from './context.ts'
import { say, saySuccess } from './output.ts'

export function addStore(program: Command, context: Context): void {
  const store = program.command('store').description('Check, repair or export the message store')
  store
    .command('export')
    .description("Write all queues and messages to the files of upstream's smp-server (`start` imports them again)")
    .action(() => exportStore(context))
  store
    .command('check')
    .description('Verify every page, record and reference of the message store')
    .option('--repair', 'Save what can be read into a new store')
    .action(({ repair }: { readonly repair?: true }) => (repair ? repairStore(context) : checkStore(context)))
  store
    .command('confirm-time')
    .description('Say that the clock of this machine is right, when `start` doubts it')
    .action(() => confirmTime(context))
}

/**
 * For going back to upstream's server: its files are written, and the store is renamed, so that whichever server starts
 * next goes on with what is newest.
 */
async function exportStore({ paths }: Context): Promise<void> {
  const [{ openLmdbStore, requireStore }, { exportUpstream }, { hasNotice }] = await Promise.all([
    import('../store/lmdb.ts'),
    import('../store/upstream/export.ts'),
    import('../store/upstream/notice.ts'),
  ])
  if (await hasNotice(paths.stateDir)) requireStore(paths.store)
  if (!existsSync(paths.store)) {
    throw new Refusal(`Error: there is no store at ${paths.store}.`, 'There is nothing to export.')
  }
  const store = openLmdbStore(paths.store, { quota: DEFAULT_QUOTA })
  const report = await exportUpstream(store, paths.stateDir).finally(() => store.close())
  const renamed = `${paths.store}.${new Date().toISOString()}`
  await rename(paths.store, renamed)
  saySuccess(
    `Exported ${countsText(report)} to ${paths.storeLog} and the files beside it.`,
    `The store is now ${renamed}. Remove it once upstream smp-server works.`,
  )
  if (report.emptyMessages > 0) {
    say(`${report.emptyMessages} messages without a body were left out: upstream cannot read them.`)
  }
}

async function checkStore({ paths }: Context): Promise<void> {
  const { checkStoreAt } = await import('../store/check/store-check.ts')
  const { counts, faults } = await checkStoreAt(paths.store)
  if (faults.length === 0) {
    saySuccess(`The store ${paths.store} is sound: ${countsText(counts)}.`)
    return
  }
  say(...listed(faults), `Readable: ${countsText(counts)}.`)
  throw new AppError(
    'STORE_DAMAGED',
    `The message store ${paths.store} is damaged.`,
    'Restore a backup with `smp-server restore FILE`, or save what can be read with `smp-server store check --repair`.',
  )
}

const SHOWN = 20

function listed(faults: readonly string[]): string[] {
  const more = faults.length - SHOWN
  return [...faults.slice(0, SHOWN).map((fault) => `- ${fault}`), ...(more > 0 ? [`- and ${more} more`] : [])]
}

async function repairStore({ paths }: Context): Promise<void> {
  const { checkStoreAt, repairStoreAt } = await import('../store/check/store-check.ts')
  const { faults } = await checkStoreAt(paths.store)
  if (faults.length === 0) {
    saySuccess(`The store ${paths.store} is sound; there is nothing to repair.`)
    return
  }
  const { saved, held, damaged } = await repairStoreAt(paths.store, new Date())
  say(
    ...listed(faults),
    `Saved: ${countsText(saved)}.`,
    held === undefined ? 'It is unknown how much was lost.' : `Lost: ${countsText(difference(held, saved))}.`,
    'Queues and messages that were deleted may be among those that were saved.',
    `The damaged store is now ${damaged}; remove it when the relay works.`,
  )
}

function difference(held: StoreCounts, saved: StoreCounts): StoreCounts {
  const lost = { ...held } as Record<keyof StoreCounts, number>
  for (const name of Object.keys(saved) as (keyof StoreCounts)[]) lost[name] = Math.max(0, held[name] - saved[name])
  return lost
}

type Counted = Pick<StoreCounts, 'queues' | 'messages' | 'notifications'>

function countsText({ queues, messages, notifications }: Counted): string {
  return `${queues} queues, ${messages} messages and ${notifications} notifications`
}

/** A running relay sees it within a minute or so, and its messages expire again. */
async function confirmTime({ paths }: Context): Promise<void> {
  const [{ requireStore }, { writeLastSeen }] = await Promise.all([
    import('../store/lmdb/stored-queues.ts'),
    import('../store/last-seen.ts'),
  ])
  requireStore(paths.store)
  const now = new Date()
  await writeLastSeen(paths.store, now.getTime() / 1000)
  saySuccess(`Confirmed: it is ${now.toISOString()}. Messages that are older than the settings allow will expire.`)
}
