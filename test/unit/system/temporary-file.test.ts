import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { thisProcess } from '../../../src/system/process-mark.ts'
import { removeAbandoned, temporaryName } from '../../../src/system/temporary-file.ts'

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'smp-temporary-'))
})
afterEach(() => rmSync(directory, { recursive: true }))

it('what a killed process was writing is removed; what a living one writes, and every other file, stays', async () => {
  const { pid, processStart = '' } = thisProcess()
  const ended = spawnSync(process.execPath, ['-e', '']).pid
  const mine = basename(temporaryName(join(directory, 'smp-server.ini')))
  const kept = [mine, 'smp-server.ini', 'onion.key', 'onion.key.new', 'onion.key.0123456789ab.new', `x.${pid}-.new`]
  const abandoned = [
    `onion.key.${ended}-1.0123456789ab.new`,
    `onion-setup.json.${ended}-.0123456789ab.new`,
    // The number of a process that ended belongs to another one by now.
    `smp-server.ini.${pid}-${Number(processStart) - 1}.0123456789ab.new`,
  ]
  for (const name of [...kept, ...abandoned]) writeFileSync(join(directory, name), '')
  await removeAbandoned(directory)
  expect(readdirSync(directory).sort()).toEqual(kept.sort())
})

it('a directory that does not exist holds nothing to remove', async () => {
  await expect(removeAbandoned(join(directory, 'none'))).resolves.toBeUndefined()
})
