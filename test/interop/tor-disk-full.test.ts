import { existsSync, statfsSync, writeFileSync } from 'node:fs'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, expect, it } from 'vitest'
import { runCommand } from '../../src/system/command.ts'
import { RelayFiles, relayIni } from './tor-relay.ts'
import { tree } from './tree.ts'

/*
 * The configuration is on a file system of its own that becomes full in the middle of a setup. Mounting one needs root;
 * without it the file system of the tests is taken, on which the setup must simply succeed.
 */

let files: RelayFiles
let mounted = false
afterEach(async () => {
  if (mounted) await runCommand('umount', [join(files.directory, 'etc')])
  await files.remove()
})

it.each([0, 1, 2, 3, 4, 5, 6, 7, 8])('a disk with %d free pages damages no file', async (pages) => {
  files = await RelayFiles.make(relayIni, ['DisableNetwork 1'])
  const etc = join(files.directory, 'etc')
  const result = await runCommand('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', etc]).catch(() => undefined)
  mounted = result?.status === 0
  await writeFile(files.ini, relayIni)
  await writeFile(files.extra, 'DisableNetwork 1\n')
  if (mounted) fill(etc, pages)
  const before = tree(etc)
  const outcome = await files.setUp().catch((error: unknown) => error)
  if (outcome instanceof Error) {
    expect(outcome).toMatchObject({ code: 'ENOSPC', path: expect.stringContaining(etc) as string })
    const after = tree(etc)
    delete after['etc/onion-setup.json']
    expect(after).toEqual(before)
    await rm(join(etc, 'filler'), { force: true })
  }
  // With room again the setup succeeds.
  const { hostname } = await files.setUp()
  expect(await readFile(files.ini, 'utf8')).toContain(`host = relay.example,${hostname}`)
  expect(existsSync(files.keyFile)).toBe(true)
})

/** Leaves so many pages free. */
function fill(directory: string, pages: number): void {
  const { bavail, bsize } = statfsSync(directory)
  writeFileSync(join(directory, 'filler'), Buffer.alloc((bavail - pages) * bsize))
}
