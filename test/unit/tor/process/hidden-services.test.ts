import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { encodeOnionKey, generateOnionKey } from '../../../../src/crypto/onion-key.ts'
import { hiddenServices, serviceWithKey } from '../../../../src/tor/process/hidden-services.ts'

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
  it('services are anonymous unless the torrc says otherwise, in whatever spelling', async () => {
    await writeFile(torrc, `# HiddenServiceDir /no\n  hiddenservicedir "${service}" # mine\nHiddenServicePort 80\n`)
    expect(await hiddenServices([torrc])).toMatchObject([{ directory: service, type: 'anonymous' }])
    await writeFile(torrc, 'HiddenServiceDir /a\r\nHiddenServiceDir /b\r\nHiddenServiceNonAnonymousMode 1\r\n')
    expect(await hiddenServices([torrc])).toMatchObject([
      { directory: '/a', type: 'single-hop' },
      { directory: '/b', type: 'single-hop' },
    ])
  })

  it.each([
    ['5223', '127.0.0.1:5223'],
    ['5223 7301', '127.0.0.1:7301'],
    ['5223 localhost:7301', 'localhost:7301'],
    ['5223 unix:/run/smp', 'unix:/run/smp'],
    ['5223 "unix:/run/smp"', 'unix:/run/smp'],
  ])('HiddenServicePort %s leads to %s', async (value, target) => {
    await writeFile(torrc, `HiddenServiceDir /a\nHiddenServicePort ${value}\n`)
    expect((await hiddenServices([torrc]))[0]?.ports).toEqual([{ virtualPort: 5223, target }])
  })

  it('services are found in what the torrc includes', async () => {
    const parts = join(directory, 'parts')
    await mkdir(parts)
    await writeFile(join(parts, 'a.conf'), 'HiddenServiceDir /a\n')
    await writeFile(join(parts, 'b.txt'), 'HiddenServiceDir /b\n')
    await writeFile(join(parts, '.c.conf'), 'HiddenServiceDir /c\n')
    const included = async (what: string): Promise<string[]> => {
      await writeFile(torrc, `%include ${what}\nHiddenServiceDir /own\n`)
      return (await hiddenServices([torrc])).map((found) => found.directory)
    }
    expect(await included(join(parts, '*.conf'))).toEqual(['/a', '/own'])
    expect(await included(parts)).toEqual(['/a', '/b', '/own'])
    expect(await included(join(parts, 'b.txt'))).toEqual(['/b', '/own'])
    expect(await included(torrc)).toContain('/own')
    expect(await included(join(directory, 'none'))).toEqual(['/own'])
  })

  it('the service of a key is found by its directory and by its bytes', async () => {
    await writeFile(torrc, `HiddenServiceDir "${service}"\n`)
    const found = { torrc, directory: service, type: 'anonymous' }
    const copy = join(directory, 'copy')
    await writeFile(copy, encodeOnionKey(key))
    const none = join(directory, 'none')
    expect(await serviceWithKey(key, copy, [none, torrc])).toMatchObject(found)
    expect(await serviceWithKey(generateOnionKey(), copy, [torrc])).toBeUndefined()
    await symlink(service, join(directory, 'link'))
    expect(await serviceWithKey(generateOnionKey(), join(directory, 'link', 'key'), [torrc])).toMatchObject(found)
    await writeFile(torrc, `HiddenServiceDir "${service}"\nHiddenServiceNonAnonymousMode 1\n`)
    expect((await serviceWithKey(key, copy, [torrc]))?.type).toBe('single-hop')
  })
})
