import { readFile } from 'node:fs/promises'
import { writeDurably } from '../../../system/durable-file.ts'
import {
  deleteOnionRecord,
  type OnionRecord,
  onionRecordText,
  parseOnionRecord,
  recordFile,
} from '../../onion/record.ts'
import type { RevertTools, Step } from '../step.ts'

/** Records what the setup arranged. */
export async function recordStep(
  keyFile: string,
  wanted: Omit<OnionRecord, 'createdAt'>,
  tools: RevertTools,
): Promise<Step> {
  const path = recordFile(keyFile)
  const before = await readFile(path, 'utf8').catch(() => undefined)
  const present = parseOnionRecord(before ?? '')
  const createdAt = present?.hostname === wanted.hostname ? present.createdAt : new Date().toISOString()
  const after = onionRecordText({ ...wanted, createdAt })
  const isSame =
    present !== undefined && onionRecordText(sorted(present)) === onionRecordText(sorted({ ...wanted, createdAt }))
  return {
    describe: 'Record the address, the mode and the service type',
    changes: { files: [{ path, before, after }] },
    isDone: isSame,
    entries: [{ type: 'record', before: before ?? null }],
    apply: () => writeDurably(path, after, { mode: 0o600, ifExists: 'replace' }),
    revert: () => revertRecord(before ?? null, tools),
  }
}

/** The same keys in the same order. */
function sorted({ hostname, serviceType, mode, instance, createdAt }: OnionRecord): OnionRecord {
  return {
    hostname,
    serviceType,
    ...(mode !== undefined && { mode }),
    ...(instance !== undefined && { instance }),
    createdAt,
  }
}

export async function revertRecord(
  before: string | null,
  { places: { keyFile } }: Pick<RevertTools, 'places'>,
): Promise<readonly string[]> {
  if (before === null) await deleteOnionRecord(keyFile)
  else await writeDurably(recordFile(keyFile), before, { mode: 0o600, ifExists: 'replace' })
  return []
}
