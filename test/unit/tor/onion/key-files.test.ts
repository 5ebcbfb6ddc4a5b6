import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { TorControl } from '../../../../src/tor/control/tor-control.ts'
import { readKeyFiles, syncKeys } from '../../../../src/tor/onion/key-files.ts'
import { encodeOnionKey, generateOnionKey, type OnionKey } from '../../../../src/crypto/onion-key.ts'
import { nextKeyFile } from '../../../../src/tor/onion/key.ts'
import { fakeTor, open } from '../fake-tor.ts'

const [one, two, three] = [generateOnionKey(), generateOnionKey(), generateOnionKey()]
const copy = (key: OnionKey): OnionKey => ({ ...key })

async function sync(
  served: { primary: OnionKey; next?: OnionKey },
  files: { primary?: OnionKey; next?: OnionKey },
): Promise<{ added: OnionKey[]; taken: string[]; isSame: boolean; after: string[] }> {
  const tor = await fakeTor(open(() => ['552 Unknown Onion Service id']))
  const control = await TorControl.connect({ endpoint: tor.endpoint })
  const added: OnionKey[] = []
  const now = await syncKeys(control, served, files, (key) => {
    added.push(key)
    return Promise.resolve()
  })
  control.close()
  await tor.stop()
  const taken = tor.received.filter((line) => line.startsWith('DEL_ONION')).map((line) => line.slice(10))
  return { added, taken, isSame: now === served, after: [now.primary.serviceId, now.next?.serviceId ?? ''] }
}

describe('the services of a running tor', () => {
  it('the services stay while the files hold the same keys', async () => {
    expect(await sync({ primary: one }, { primary: copy(one) })).toMatchObject({ isSame: true, added: [], taken: [] })
    const both = { primary: one, next: two }
    expect(await sync(both, { primary: copy(one), next: copy(two) })).toMatchObject({ isSame: true })
  })

  it('the next service is added when a rotation begins, and removed when it is aborted', async () => {
    const began = await sync({ primary: one }, { primary: one, next: two })
    expect(began).toMatchObject({ added: [two], taken: [], after: [one.serviceId, two.serviceId] })
    const givenUp = await sync({ primary: one, next: two }, { primary: one })
    expect(givenUp).toMatchObject({ added: [], taken: [two.serviceId], after: [one.serviceId, ''] })
  })

  it('the old service is removed when a rotation ends', async () => {
    const ended = await sync({ primary: one, next: two }, { primary: two })
    expect(ended).toMatchObject({ added: [], taken: [one.serviceId], after: [two.serviceId, ''] })
  })

  it('the service is replaced when another key is restored', async () => {
    const back = await sync({ primary: one }, { primary: three })
    expect(back).toMatchObject({ added: [three], taken: [one.serviceId], after: [three.serviceId, ''] })
  })

  it('the services stay when a key file is missing or damaged', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'smp-follow-'))
    const keyFile = join(directory, 'onion.key')
    await writeFile(keyFile, 'x')
    await writeFile(nextKeyFile(keyFile), encodeOnionKey(two))
    const kept = await readKeyFiles(keyFile)
    expect(kept.primary).toBeUndefined()
    expect(kept.next?.serviceId).toBe(two.serviceId)
    await rm(directory, { recursive: true })
    expect(await sync({ primary: one }, {})).toMatchObject({ isSame: true, added: [], taken: [] })
  })
})
