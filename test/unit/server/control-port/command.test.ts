import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { idFromBytes } from '../../../../src/protocol/ids.ts'
import { parseControlCommand } from '../../../../src/server/control-port/command.ts'

const text = 'kTcdJRCuBvSgW1rVuSwriKg8H-FNhsWv'
const id = idFromBytes(Buffer.from(text, 'base64url'))
const fault = (message: string): object => ({ type: 'fault', message: `Failed reading: ${message}` })

describe('a command of the control port', () => {
  it.each([
    'suspend',
    'resume',
    'clients',
    'stats',
    'stats-rts',
    'threads',
    'sockets',
    'socket-threads',
    'server-info',
    'save',
    'help',
    'quit',
  ])('is one word: %s', (word) => {
    expect(parseControlCommand(word)).toEqual({ type: word })
    expect(parseControlCommand(` ${word}\t`)).toEqual({ type: word })
    expect(parseControlCommand(`${word} more`)).toEqual(fault(`the command is written ${word}`))
  })

  it('may be nothing', () => {
    expect(parseControlCommand('')).toEqual({ type: 'nothing' })
    expect(parseControlCommand(' \t')).toEqual({ type: 'nothing' })
  })

  it('may have a password, blanks in it included', () => {
    expect(parseControlCommand('auth a b@c')).toEqual({ type: 'auth', password: 'a b@c' })
    expect(parseControlCommand('auth')).toEqual(fault('the command is written auth PASSWORD'))
  })

  it.each(['delete', 'status', 'unblock'])('%s has an id, padded or not', (type) => {
    expect(parseControlCommand(`${type} ${text}`)).toEqual({ type, id })
    expect(parseControlCommand(`${type} AAA=`)).toEqual({ type, id: '\0\0' })
    for (const wrong of ['', ' ', ' A', ' a+b/', ` ${text} x`, ` ${'A'.repeat(341)}`]) {
      expect(parseControlCommand(type + wrong)).toEqual(fault(`the command is written ${type} ID`))
    }
  })

  it('block has an id, a reason and perhaps a notice', () => {
    const blocked = (info: object): object => ({ type: 'block', id, status: { type: 'blocked', ...info } })
    expect(parseControlCommand(`block ${text} reason=spam`)).toEqual(blocked({ reason: 'spam' }))
    expect(parseControlCommand(`block ${text} reason=content,notice={"ttl":86400}`)).toEqual(
      blocked({ reason: 'content', notice: { ttl: 86_400 } }),
    )
    expect(parseControlCommand(`block ${text} reason=content,notice={}`)).toEqual(
      blocked({ reason: 'content', notice: {} }),
    )
    const wrong = fault('the command is written block ID reason=spam|content[,notice={"ttl":SECONDS}]')
    for (const rest of ['', text, `${text} spam`, `${text} reason=other`, `${text} reason=spam,notice={"ttl":"1"}`]) {
      expect(parseControlCommand(`block ${rest}`)).toEqual(wrong)
    }
  })

  it('that nobody knows is told in the words that scripts know', () => {
    for (const line of ['badcmd', 'Stats', 'toString', 'nothing', 'fault']) {
      expect(parseControlCommand(line)).toEqual(fault('bad ControlProtocol command'))
    }
  })

  it('may be any line: it is understood or refused, and never breaks anything', () => {
    const word = fc.constantFrom(
      'block',
      'status',
      'auth',
      text,
      'reason=spam',
      ',notice=',
      '{"ttl":',
      '1e999',
      '}',
      ' ',
    )
    const line = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.array(word).map((words) => words.join('')),
    )
    fc.assert(fc.property(line, (input) => typeof parseControlCommand(input).type === 'string'))
  })
})
