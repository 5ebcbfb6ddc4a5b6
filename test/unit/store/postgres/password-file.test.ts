import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { parseConnectionString } from '../../../../src/store/postgres/connection-string.ts'
import { storedPassword, type StoredPassword } from '../../../../src/store/postgres/password-file.ts'

let directory: string
let file: string

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'smp-pass-'))
  file = join(directory, 'pass')
})

afterEach(() => rmSync(directory, { recursive: true }))

async function look(connection: string): Promise<StoredPassword> {
  const address = parseConnectionString(`${connection} passfile=${file}`, {})
  const [host] = address.hosts
  if (host === undefined) throw new Error('no host')
  return await storedPassword(address, host)
}

describe('a password file', () => {
  it('gives the password of the first line that fits', async () => {
    const lines = [
      '# a comment',
      'db:5432:d:u:wrong:fields',
      'other:*:*:*:no',
      'db:5432:d:u:se\\:c\\\\ret',
      '*:*:*:*:last',
    ]
    writeFileSync(file, lines.join('\n'), { mode: 0o600 })
    expect(await look('host=db dbname=d user=u')).toEqual({ password: 'se:c\\ret' })
    expect(await look('host=db dbname=d user=somebody')).toEqual({ password: 'last' })
  })

  it('knows a unix socket as localhost', async () => {
    writeFileSync(file, 'localhost:*:d:u:local\n', { mode: 0o600 })
    expect(await look('host=/run/postgresql dbname=d user=u')).toEqual({ password: 'local' })
    expect(await look('host=db dbname=d user=u')).toEqual({})
  })

  it('that others may read is ignored with a warning that says how to fix it', async () => {
    writeFileSync(file, '*:*:*:*:known\n')
    chmodSync(file, 0o640)
    expect(await look('host=db dbname=d user=u')).toEqual({
      warning: `${file} is ignored, because others may read it. Run: chmod 600 ${file}`,
    })
  })

  it('that is named and missing is an error', async () => {
    await expect(look('host=db dbname=d user=u')).rejects.toThrow('ENOENT')
  })
})
