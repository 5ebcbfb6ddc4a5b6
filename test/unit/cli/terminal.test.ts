import { afterEach, describe, expect, it, vi } from 'vitest'
import { paint, terminalWidth, wrap } from '../../../src/cli/terminal.ts'

afterEach(() => vi.unstubAllEnvs())

describe('wrapping', () => {
  it('breaks at blanks, never inside a word', () => {
    expect(wrap('Set the host to the public name', 12)).toBe('Set the host\nto the\npublic name')
  })

  it('leaves an address in one piece, even if it is longer than a line', () => {
    const address = `smp://${'f'.repeat(50)}@smp.example.org`
    expect(wrap(`Server address: ${address} and more words`, 30)).toBe(`Server address:\n${address}\nand more words`)
  })

  it('never breaks a command in backticks', () => {
    expect(wrap('Then run `smp-server tor setup --own` as the user of the relay.', 30)).toBe(
      'Then run\n`smp-server tor setup --own`\nas the user of the relay.',
    )
  })

  it('indents what follows the mark of a list', () => {
    expect(wrap('Next:\n- Stop the relay on the old machine', 20)).toBe('Next:\n- Stop the relay on\n  the old machine')
  })

  it('does not count colours', () => {
    expect(wrap(`\x1b[1mone\x1b[22m two three`, 7)).toBe('\x1b[1mone\x1b[22m two\nthree')
  })

  it('keeps empty lines', () => {
    expect(wrap('one\n\ntwo', 20)).toBe('one\n\ntwo')
  })
})

describe('the width', () => {
  const stream = (columns?: number): NodeJS.WriteStream =>
    Object.assign(Object.create(process.stdout) as NodeJS.WriteStream, { isTTY: columns !== undefined, columns })

  it('is that of the terminal', () => expect(terminalWidth(stream(132))).toBe(132))

  it('is 80 elsewhere, unless COLUMNS says otherwise', () => {
    vi.stubEnv('COLUMNS', undefined)
    expect(terminalWidth(stream())).toBe(80)
    vi.stubEnv('COLUMNS', '120')
    expect(terminalWidth(stream())).toBe(120)
    for (const nonsense of ['', '0', '-3', 'wide', '5']) {
      vi.stubEnv('COLUMNS', nonsense)
      expect(terminalWidth(stream())).toBe(80)
    }
  })

  it('is 80 on a terminal that does not know its own', () => expect(terminalWidth(stream(0))).toBe(80))
})

describe('colours', () => {
  it('are left out when NO_COLOR is set, and forced by FORCE_COLOR', () => {
    vi.stubEnv('FORCE_COLOR', undefined)
    vi.stubEnv('NO_COLOR', '1')
    expect(paint('fault', 'Error:')).toBe('Error:')
    vi.stubEnv('NO_COLOR', undefined)
    vi.stubEnv('FORCE_COLOR', '1')
    expect(paint('fault', 'Error:')).toBe('\x1b[1m\x1b[31mError:\x1b[39m\x1b[22m')
  })
})
