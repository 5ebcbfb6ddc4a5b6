import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { encodeOnionKey, generateOnionKey } from '../../../../src/crypto/onion-key.ts'
import { findTorrcService, torrcServices } from '../../../../src/tor/process/torrc-services.ts'

let directory: string
let torrc: string
let service: string
const key = generateOnionKey()
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'smp-torrc-'))
  torrc = join(directory, 'torrc')
  service = join(directory, 'my service')
  await mkdir(service)
  await writeFile(join(service, 'hs_ed25519_secret_key'), encodeOnionKey(key))
})
afterEach(async () => {
  await rm(directory, { recursive: true })
})

describe('the services of a torrc', () => {
  it('are anonymous unless it says otherwise, whatever lines and quotes are like', async () => {
    await writeFile(torrc, `# HiddenServiceDir /no\n  hiddenservicedir "${service}" # mine\nHiddenServicePort 80\n`)
    expect(await torrcServices(torrc)).toEqual({ directories: [service], mode: 'anonymous' })
    await writeFile(torrc, 'HiddenServiceDir /a\r\nHiddenServiceDir /b\r\nHiddenServiceNonAnonymousMode 1\r\n')
    expect(await torrcServices(torrc)).toEqual({ directories: ['/a', '/b'], mode: 'single-hop' })
  })

  it('are found in what it includes', async () => {
    const parts = join(directory, 'parts')
    await mkdir(parts)
    await writeFile(join(parts, 'a.conf'), 'HiddenServiceDir /a\n')
    await writeFile(join(parts, 'b.txt'), 'HiddenServiceDir /b\n')
    await writeFile(join(parts, '.c.conf'), 'HiddenServiceDir /c\n')
    const included = async (what: string): Promise<string[]> => {
      await writeFile(torrc, `%include ${what}\nHiddenServiceDir /own\n`)
      return (await torrcServices(torrc)).directories
    }
    expect(await included(join(parts, '*.conf'))).toEqual(['/a', '/own'])
    expect(await included(parts)).toEqual(['/a', '/b', '/own'])
    expect(await included(join(parts, 'b.txt'))).toEqual(['/b', '/own'])
    expect(await included(torrc)).toContain('/own')
    expect(await included(join(directory, 'none'))).toEqual(['/own'])
  })

  it('tell what a key in their directory, or a copy of it, is used for', async () => {
    await writeFile(torrc, `HiddenServiceDir "${service}"\n`)
    const found = { torrc, directory: service, mode: 'anonymous' }
    const copy = join(directory, 'copy')
    await writeFile(copy, encodeOnionKey(key))
    const none = join(directory, 'none')
    expect(await findTorrcService(key, copy, [none, torrc])).toEqual(found)
    expect(await findTorrcService(generateOnionKey(), copy, [torrc])).toBeUndefined()
    await symlink(service, join(directory, 'link'))
    expect(await findTorrcService(generateOnionKey(), join(directory, 'link', 'key'), [torrc])).toEqual(found)
    await writeFile(torrc, `HiddenServiceDir "${service}"\nHiddenServiceNonAnonymousMode 1\n`)
    expect((await findTorrcService(key, copy, [torrc]))?.mode).toBe('single-hop')
  })
})
