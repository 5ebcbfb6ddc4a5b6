import { spawnSync } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { parseTorrc, withIncluded } from '../../../../src/tor/process/torrc-lines.ts'

let directory: string
let ours: string
beforeEach(async () => {
  directory = join(await mkdtemp(join(tmpdir(), 'smp-torrc-')), 'my parts')
  ours = join(directory, 'b.conf')
  await mkdir(directory)
  for (const name of ['a.conf', 'b.conf', 'c.conf', 'd.txt']) await writeFile(join(directory, name), 'Bogus 1\n')
})
afterEach(() => rm(join(directory, '..'), { recursive: true }))

describe('a torrc with another text of an included file', () => {
  it('the new text replaces the included file, between its neighbours', async () => {
    const torrc = `Log notice stdout\n%include "${directory}/*.conf" # ours\nNickname x\n`
    const neighbours = ['a.conf', 'c.conf'].map((name) => `%include "${join(directory, name)}"`)
    expect(await withIncluded(torrc, ours, 'New 1\n')).toBe(
      `Log notice stdout\n${neighbours[0]}\nNew 1\n\n${neighbours[1]}\nNickname x\n`,
    )
  })

  it.each([
    ['by its name', () => `%include "${ours}"`, 'New 1\n'],
    ['by a name in other words', () => `%include "${directory}/../my parts/b.conf"`, 'New 1\n'],
    ['over two lines', () => `%include \\\n "${ours}"`, 'New 1\n'],
    ['twice', () => `%include "${ours}"\n%include "${ours}"`, 'New 1\n\nNew 1\n'],
  ])('the new text replaces a file that was included %s', async (_, include, stand) => {
    expect(await withIncluded(`${include()}\nNickname x\n`, ours, 'New 1\n')).toBe(`${stand}\nNickname x\n`)
  })

  it('the new text is appended when nothing includes the file, and other includes stay', async () => {
    const torrc = `#%include "${directory}/*.conf"\n%include "${directory}/*.txt"`
    expect(await withIncluded(torrc, ours, 'New 1\n')).toBe(`${torrc}\nNew 1\n`)
    await rm(ours)
    const all = `%include "${directory}/*.conf"\n`
    expect(await withIncluded(all, ours, 'New 1\n')).toBe(`${all}\nNew 1\n`)
  })
})

describe('the lines of a torrc', () => {
  it.each([
    'ContactInfo x \\\n# c\nNickname foo\n',
    'ContactInfo\\\nx\nNickname foo\n',
    'ContactInfo x # c \\\nNickname foo\n',
    '# c \\\nNickname foo\n',
    'ContactInfo \\\nx\nNickname foo\n',
    'ContactInfo x \\\n y # c\nNickname foo\n',
    'ContactInfo x \\\n y # c\n z\nNickname foo\n',
    'ContactInfo x \\\n y # c \\\n z\nNickname foo\n',
    'ContactInfo x \\\r\nNickname foo\n',
    'Nickname foo\r\nContactInfo x',
    'ContactInfo x\\y\\\\\nNickname foo\n',
    'ContactInfo "a\\\\" # x\nNickname foo\n',
    'ContactInfo "a#b"\n\n\v+Nickname foo\n',
    'ContactInfo a"b#c"\n/DirPort\n \tnickname foo # x\n',
  ])('are those that tor reads: %j', async (text) => {
    const path = join(directory, 'torrc')
    await writeFile(path, text)
    const args = ['-f', path, '--defaults-torrc', '/dev/null', '--DisableNetwork', '1', '--dump-config', 'short']
    const { stdout } = spawnSync('tor', args, { encoding: 'utf8' })
    const options = stdout.split('\n').filter((line) => /^(?:ContactInfo|Nickname) /.test(line))
    const read = parseTorrc(text, path).filter(({ value }) => value !== '')
    const spaced = (line: string): string =>
      line
        .toLowerCase()
        .replace(/"(.*#.*)"$/, '$1')
        .replace(/\s+/g, ' ')
    expect(read.map(({ name, value }) => spaced(`${name} ${value}`)).sort()).toEqual(options.map(spaced).sort())
  })
})
