import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { newPassphrase, presentPassphrase } from '../../../src/cli/passphrase.ts'

let directory: string
let file: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'smp-passphrase-'))
  file = join(directory, 'passphrase')
})
afterEach(async () => {
  await rm(directory, { recursive: true })
})

const environment = { SMP_ONION_PASSPHRASE: 'from the environment' }
const nowhere = { file: undefined, environment: {}, onTerminal: false }

describe('a passphrase', () => {
  it('comes from a file before the environment, without the end of its line', async () => {
    for (const text of ['from a file', 'from a file\n', 'from a file\r\n']) {
      await writeFile(file, text)
      expect(await presentPassphrase({ ...nowhere, file, environment })).toBe('from a file')
    }
    expect(await presentPassphrase({ ...nowhere, environment })).toBe('from the environment')
  })

  it('keeps its blanks', async () => {
    await writeFile(file, ' two  blanks \n')
    expect(await newPassphrase({ ...nowhere, file })).toBe(' two  blanks ')
  })

  it('is one line', async () => {
    for (const text of ['\n', 'one\ntwo\n', 'one\n\n']) {
      await writeFile(file, text)
      await expect(presentPassphrase({ ...nowhere, file })).rejects.toMatchObject({ code: 'PASSPHRASE_FILE' })
    }
    await writeFile(file, '')
    await expect(presentPassphrase({ ...nowhere, file })).rejects.toMatchObject({ code: 'FILE_EMPTY' })
  })

  it('cannot be asked for without a terminal', async () => {
    for (const empty of [{}, { SMP_ONION_PASSPHRASE: '' }]) {
      const asked = presentPassphrase({ ...nowhere, environment: empty })
      await expect(asked).rejects.toMatchObject({ code: 'PASSPHRASE_MISSING' })
    }
  })

  it('to encrypt with must not be too short', async () => {
    const source = { ...nowhere, environment: { SMP_ONION_PASSPHRASE: '1234567' } }
    await expect(newPassphrase(source)).rejects.toMatchObject({ code: 'PASSPHRASE_SHORT' })
    expect(await presentPassphrase(source)).toBe('1234567')
  })
})
