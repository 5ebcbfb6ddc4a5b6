import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AppError } from '../../../src/errors/app-error.ts'
import { iniValue, parseIni, setIniValue } from '../../../src/config/ini.ts'

const sample = `; a relay
stray = before the first section

  [AUTH]
new_queues: on
# create_password = a sample
create_password = p#ss;w=rd:x

[TRANSPORT]
host = a.example
port = 5223,443

# [OLD]
# key = value
[INACTIVE_CLIENTS]
disconnect = off
`

describe('reading', () => {
  it('takes everything behind the first separator to the end of the line', () => {
    expect(iniValue(sample, 'AUTH', 'create_password')).toBe('p#ss;w=rd:x')
    expect(iniValue('[T]\nport = 5223 # no comment\n', 'T', 'port')).toBe('5223 # no comment')
    expect(iniValue('[T]\nurl: http://a=b\n', 'T', 'url')).toBe('http://a=b')
  })

  it('reads the spelling with a colon like the one with an equals sign', () => {
    expect(iniValue(sample, 'AUTH', 'new_queues')).toBe('on')
    expect(iniValue('[T]\nport:5223\n', 'T', 'port')).toBe('5223')
  })

  it('tells an empty value from a missing one and from a comment', () => {
    expect(iniValue('[A]\nkey =\n', 'A', 'key')).toBe('')
    expect(iniValue('[A]\nother = 1\n', 'A', 'key')).toBeUndefined()
    expect(iniValue('[A]\n#key = 1\n ; key = 2\n', 'A', 'key')).toBeUndefined()
  })

  it('keeps sections apart and minds the case of names', () => {
    const text = '[A]\nkey = 1\n[ B ]\nkey = 2\n'
    expect([iniValue(text, 'A', 'key'), iniValue(text, 'B', 'key')]).toEqual(['1', '2'])
    expect(iniValue(text, 'a', 'key')).toBeUndefined()
    expect(iniValue(text, 'A', 'Key')).toBeUndefined()
  })

  it('lets the first of two equal keys and the last of two equal sections count', () => {
    const text = '[A]\nkey = 1\nkey = 2\n'
    expect(iniValue(text, 'A', 'key')).toBe('1')
    expect(iniValue(`${text}[A]\nother = 3\n`, 'A', 'key')).toBeUndefined()
    expect(parseIni(`${text}[A]\nother = 3\n`).problems.map(({ type, line }) => [type, line])).toEqual([
      ['repeated key', 3],
      ['repeated section', 4],
    ])
  })

  it('glues a line without separator to the next one, and says so', () => {
    const document = parseIni('[A]\nstray\nport = 1\nhost = h\n')
    expect(iniValue(document.text, 'A', 'port')).toBeUndefined()
    expect(iniValue(document.text, 'A', 'host')).toBe('h')
    expect(document.problems).toMatchObject([{ type: 'glued', line: 2 }])
    expect(document.problems[0]?.message).toContain('line 3')
  })

  it('stops where neither a key nor a section begins, and says so', () => {
    const document = parseIni('[A]\nkey = 1\n[broken\nother = 2\n[B]\nkey = 3\n')
    expect(iniValue(document.text, 'A', 'key')).toBe('1')
    expect(iniValue(document.text, 'B', 'key')).toBeUndefined()
    expect(document.problems).toMatchObject([{ type: 'unread', line: 3 }])
  })

  it('ignores a bracket in a value and what stands behind the last setting as a comment', () => {
    expect(iniValue('[A]\nhost = [::1]:5223\n[B]\nkey = 1\n# end', 'A', 'host')).toBe('[::1]:5223')
    expect(parseIni('[A]\nhost = [::1]\n# end').problems).toEqual([])
  })

  it('reads CRLF and a byte order mark', () => {
    expect(iniValue('\ufeff[A]\r\nkey = 1\r\nother = 2\r\n', 'A', 'key')).toBe('1')
  })
})

describe('writing', () => {
  it('changes the value of one line and keeps every other byte', () => {
    expect(setIniValue(sample, 'TRANSPORT', 'port', '5223')).toBe(sample.replace('port = 5223,443', 'port = 5223'))
    expect(setIniValue(sample, 'AUTH', 'new_queues', 'off')).toBe(sample.replace('new_queues: on', 'new_queues: off'))
  })

  it('keeps the separator as it was typed', () => {
    expect(setIniValue('[A]\nkey=1\n', 'A', 'key', '2')).toBe('[A]\nkey= 2\n')
    expect(setIniValue('[A]\nkey =\n', 'A', 'key', '2')).toBe('[A]\nkey = 2\n')
    expect(setIniValue('[A]\nkey = 1\n', 'A', 'key', '')).toBe('[A]\nkey =\n')
  })

  it('puts a missing key below its commented sample', () => {
    const text = '[P]\n# proxy: what it is\n#socks = localhost\n\n# mode = x\n[Q]\n'
    expect(setIniValue(text, 'P', 'socks', '127.0.0.1')).toBe(
      '[P]\n# proxy: what it is\n#socks = localhost\nsocks = 127.0.0.1\n\n# mode = x\n[Q]\n',
    )
  })

  it('puts a missing key without a sample at the end of its section', () => {
    expect(setIniValue('[A]\na = 1\n\n[B]\n', 'A', 'b', '2')).toBe('[A]\na = 1\nb = 2\n\n[B]\n')
    expect(setIniValue('[A]\n[B]\n', 'A', 'b', '2')).toBe('[A]\nb = 2\n[B]\n')
  })

  it('appends a missing section', () => {
    expect(setIniValue('[A]\na = 1', 'B', 'b', '2')).toBe('[A]\na = 1\n\n[B]\nb = 2\n')
    expect(setIniValue('', 'B', 'b', '2')).toBe('[B]\nb = 2\n')
  })

  it('writes the line breaks of the file', () => {
    expect(setIniValue('[A]\r\na = 1\r\n', 'A', 'b', '2')).toBe('[A]\r\na = 1\r\nb = 2\r\n')
  })

  it('changes the section that counts when there are two of one name', () => {
    expect(setIniValue('[A]\nkey = 1\n[A]\nkey = 2\n', 'A', 'key', '3')).toBe('[A]\nkey = 1\n[A]\nkey = 3\n')
  })

  it('refuses a value of two lines', () => {
    expect(() => setIniValue(sample, 'AUTH', 'create_password', 'a\nb')).toThrow(AppError)
  })

  it('refuses to write what would not be read back', () => {
    const broken = '[A]\nkey = 1\n[broken\n'
    expect(() => setIniValue(broken, 'B', 'key', '2')).toThrow(/line 3/)
  })

  const word = fc.stringMatching(/^[a-z_]{1,8}$/)
  const value = fc.string({ maxLength: 20 }).map((text) => text.replace(/[\r\n]/g, '').trim())
  const line = fc.oneof(
    fc.tuple(word, fc.constantFrom('=', ' = ', ':', ': '), value).map((parts) => parts.join('')),
    value.map((text) => `# ${text}`),
    fc.constant(''),
    word.map((name) => `[${name}]`),
    fc.string({ maxLength: 12 }),
  )
  const file = fc
    .tuple(fc.array(line, { maxLength: 15 }), fc.constantFrom('\n', '\r\n'))
    .map(([lines, eol]) => lines.join(eol))

  it('reads back what it wrote, and leaves all other settings alone', () => {
    fc.assert(
      fc.property(file, word, word, value, (text, section, key, written) => {
        const changed = orRefused(() => setIniValue(text, section, key, written))
        if (changed === undefined) return
        expect(iniValue(changed, section, key)).toBe(written)
        expect(others(changed, section, key)).toEqual(others(text, section, key))
      }),
      { numRuns: 500 },
    )
  })

  function orRefused(write: () => string): string | undefined {
    try {
      return write()
    } catch (error) {
      if (error instanceof AppError) return undefined
      throw error
    }
  }

  function others(text: string, section: string, key: string): unknown {
    return parseIni(text)
      .sections.flatMap(({ name, entries }) => entries.map((entry) => [name, entry.key, entry.value]))
      .filter(([name, entryKey]) => name !== section || entryKey !== key)
  }
})
