import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { AppError } from '../../../src/errors/app-error.ts'
import { fingerprintText } from '../../../src/crypto/fingerprint.ts'
import { loadCredentials } from '../../../src/transport/credentials.ts'
import { makeCredentials, type TestCredentials } from './fixtures.ts'

let directory: string

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'smp-credentials-'))
})

afterEach(async () => {
  await rm(directory, { recursive: true })
})

async function put(files: Readonly<Record<string, string | Buffer>>): Promise<void> {
  for (const [name, content] of Object.entries(files)) await writeFile(join(directory, name), content)
}

async function putAll(credentials: TestCredentials): Promise<void> {
  await put({
    'ca.crt': credentials.caPem,
    'server.crt': credentials.leafPem,
    'server.key': credentials.keyPem,
    fingerprint: `${fingerprintText(credentials.identityHash)}\n`,
  })
}

async function fault(now?: Date): Promise<AppError> {
  try {
    await loadCredentials(directory, now)
  } catch (error) {
    if (error instanceof AppError) return error
    throw error
  }
  throw new Error('the credentials were accepted')
}

describe('credentials', () => {
  it.each(['ed25519', 'ed448'] as const)('the credentials of a relay are read from the directory (%s)', async (alg) => {
    const credentials = makeCredentials({ alg })
    await putAll(credentials)
    const loaded = await loadCredentials(directory)
    expect(loaded.chain).toEqual(credentials.chain)
    expect(loaded.identityHash).toEqual(credentials.identityHash)
    expect(loaded.signingKey.publicKey).toEqual(credentials.signingKey.publicKey)
    expect(loaded.certPem).toBe(credentials.certPem)
  })

  it('missing credential files are named in one line', async () => {
    const credentials = makeCredentials()
    await putAll(credentials)
    await rm(join(directory, 'ca.crt'))
    await rm(join(directory, 'server.key'))
    const { code, message, remedy } = await fault()
    expect(code).toBe('NO_CREDENTIALS')
    expect(message).toBe(`Error: no SMP credentials: ${directory}/ca.crt, ${directory}/server.key`)
    expect(remedy).toContain('smp-server init')
  })

  it('the credentials of a relay are refused with another fingerprint', async () => {
    await putAll(makeCredentials())
    await put({ fingerprint: `${fingerprintText(Buffer.alloc(32))}\n` })
    const error = await fault()
    expect(error).toMatchObject({ code: 'BAD_FINGERPRINT', message: 'Stored fingerprint is invalid.' })
  })

  it('the credentials of a relay are refused with a fingerprint that is almost the same text', async () => {
    const credentials = makeCredentials()
    await putAll(credentials)
    await put({ fingerprint: `${fingerprintText(credentials.identityHash)} ` })
    expect((await fault()).code).toBe('BAD_FINGERPRINT')
  })

  it('the credentials of a relay need the fingerprint', async () => {
    const credentials = makeCredentials()
    await putAll(credentials)
    await rm(join(directory, 'fingerprint'))
    const error = await fault()
    expect(error.code).toBe('NO_FINGERPRINT')
    expect(error.remedy).toContain(fingerprintText(credentials.identityHash))
  })

  it('the credentials of a relay need the key of the certificate', async () => {
    await putAll(makeCredentials())
    await put({ 'server.key': makeCredentials().keyPem })
    expect((await fault()).code).toBe('KEY_MISMATCH')
  })

  it('the credentials of a relay need the certificate of this identity', async () => {
    const credentials = makeCredentials()
    const other = makeCredentials()
    await putAll(credentials)
    await put({ 'server.crt': other.leafPem, 'server.key': other.keyPem })
    const error = await fault()
    expect(error.code).toBe('BAD_CHAIN')
    expect(error.message).toContain('bad-signature')
  })

  it('the credentials of a relay are refused when server.crt holds the identity as well', async () => {
    const credentials = makeCredentials()
    await putAll(credentials)
    await put({ 'server.crt': credentials.leafPem + credentials.leafPem })
    expect((await fault()).code).toBe('BAD_CHAIN')
  })

  it('the credentials of a relay must not be expired, and may be of tomorrow when the clock is slow', async () => {
    await putAll(makeCredentials({ notBefore: new Date('2026-01-01') }))
    await expect(loadCredentials(directory, new Date('2025-11-30'))).resolves.toBeDefined()
    const expired = await fault(new Date('9000-01-01'))
    expect(expired).toMatchObject({ code: 'EXPIRED' })
    expect(expired.remedy).toContain('smp-server cert')
  })

  it.each(['ca.crt', 'server.crt', 'server.key'])(
    'the credentials of a relay are refused when %s holds something else',
    async (name) => {
      await putAll(makeCredentials())
      await put({ [name]: '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n' })
      const error = await fault()
      expect(error.code).toBe('BAD_CREDENTIALS')
      expect(error.message).toContain(`${directory}/${name}`)
    },
  )

  it('an unreadable credential file is named', async () => {
    await putAll(makeCredentials())
    await rm(join(directory, 'server.key'))
    await mkdir(join(directory, 'server.key'))
    const error = await fault()
    expect(error).toMatchObject({ code: 'UNREADABLE' })
    expect(error.message).toContain('EISDIR')
  })
})
