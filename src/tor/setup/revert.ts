import type { JournalEntry } from './entries.ts'
import type { SetupJournal } from './journal.ts'
import type { RevertTools } from './step.ts'
import { revertAdoption } from './steps/adoption.ts'
import { revertIni } from './steps/ini.ts'
import { revertInstance } from './steps/instance.ts'
import { revertKey } from './steps/key.ts'
import { revertMember } from './steps/member.ts'
import { revertRecord } from './steps/record.ts'
import { revertServiceKey } from './steps/service-key.ts'
import { revertService } from './steps/service.ts'
import { revertTorrc } from './steps/torrc.ts'
import { revertUnit } from './steps/unit.ts'

export interface Reverted {
  /** Sentences about what the operator has changed since, and that stays therefore. */
  readonly left: readonly string[]
  /** Why a change could not be reverted; it is still in the journal. */
  readonly failures: readonly unknown[]
}

/**
 * Reverts changes of the journal, the last one first, and strikes them out. One that fails does not keep the others from
 * being reverted.
 */
export async function revertEntries(
  journal: SetupJournal,
  entries: readonly JournalEntry[],
  tools: RevertTools,
): Promise<Reverted> {
  const left: string[] = []
  const failures: unknown[] = []
  for (const entry of entries.toReversed()) {
    try {
      left.push(...(await revertEntry(entry, tools)))
      await journal.strike(entry)
    } catch (error) {
      failures.push(error)
    }
  }
  return { left, failures }
}

async function revertEntry(entry: JournalEntry, tools: RevertTools): Promise<readonly string[]> {
  switch (entry.type) {
    case 'key':
      return await revertKey(tools)
    case 'record':
      return await revertRecord(entry.before, tools)
    case 'service-key':
      return await revertServiceKey(entry.name, tools)
    case 'ini':
      return await revertIni(entry, tools)
    case 'instance':
      return await revertInstance(entry.name, entry.parents, tools)
    case 'torrc':
      return await revertTorrc(entry.name, entry.before, tools)
    case 'member':
      return await revertMember(entry.name, entry.user, tools)
    case 'unit':
      return await revertUnit(entry.name, tools)
    case 'service':
      return await revertService(entry.name, tools)
    case 'adopted':
      return await revertAdoption(entry.torrc, entry.file, tools)
  }
}
