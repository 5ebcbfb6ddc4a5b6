import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execFileSync } from 'node:child_process'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { readIni, replaceIni } from '../../../src/config/ini-file.ts'

let directory: string
let path: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'smp-ini-'))
  path = join(directory, 'smp-server.ini')
})
afterEach(() => rm(directory, { recursive: true }))

const TEXT = '[TRANSPORT]\nhost = smp.example.org\nport = 7301\n'

describe('an INI file', () => {
  it.each([
    ['UTF-16 with a byte order mark', 'UTF-16'],
    ['UTF-16, little endian, without one', 'UTF-16LE'],
    ['UTF-16, big endian, without one', 'UTF-16BE'],
  ])('in %s is refused, with the command that converts it', async (_name, encoding) => {
    await writeFile(path, execFileSync('iconv', ['-f', 'UTF-8', '-t', encoding], { input: TEXT }))
    await expect(readIni(path)).rejects.toMatchObject({
      code: 'INI_ENCODING',
      message: `${path} is UTF-16 text, and must be UTF-8.`,
      remedy: `Convert it: \`iconv -f UTF-16 -t UTF-8 ${path} > ${path}.new && mv ${path}.new ${path}\``,
    })
  })

  it('that is not text is refused', async () => {
    await writeFile(path, Buffer.concat([Buffer.from(TEXT), Buffer.from([0, 1, 2, 3])]))
    await expect(readIni(path)).rejects.toMatchObject({ message: `${path} is not a text file.` })
  })

  it('that was lost in a power cut, all zeros, is refused', async () => {
    await writeFile(path, Buffer.alloc(4096))
    await expect(readIni(path)).rejects.toMatchObject({ message: `${path} is not a text file.` })
  })

  it('in Latin-1 is read, and keeps its bytes when it is written', async () => {
    const bytes = Buffer.from(`${TEXT}[INFORMATION]\noperator = J\xfcrgen\n`, 'latin1')
    await writeFile(path, bytes)
    const ini = await readIni(path)
    expect(ini.text).toContain('Jürgen')
    await replaceIni(path, ini, ini.text)
    expect(await readFile(path)).toEqual(bytes)
  })

  it('with a byte order mark of UTF-8 is read', async () => {
    await writeFile(path, `\ufeff${TEXT}`)
    expect((await readIni(path)).text).toBe(`\ufeff${TEXT}`)
  })
})
