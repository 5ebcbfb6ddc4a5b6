import { describe, expect, it } from 'vitest'
import { createLogger, detectLogStyle, type LogLevel, type LogStyle } from '../../../src/config/log.ts'

function recorded(style: LogStyle, level: LogLevel = 'info') {
  const lines: string[] = []
  const log = createLogger({
    level,
    style,
    destination: { write: (line) => void lines.push(line) },
    now: () => new Date(2026, 0, 2, 3, 4, 5),
  })
  return { log, lines }
}

describe('a log line', () => {
  it('has level, local time and its fields', () => {
    const { log, lines } = recorded('plain')
    log.note('listening', { port: 5223, host: 'a b' })
    expect(lines).toEqual([
      expect.stringMatching(/^\[NOTE 2026-01-02 03:04:05 [+-]\d{4}\] listening port=5223 host="a b"\n$/),
    ])
  })

  it('has a priority instead of a time for journald', () => {
    const { log, lines } = recorded('journal')
    log.warn('late')
    log.error('broken', { error: new Error('disk full') })
    expect(lines).toEqual(['<4>late\n', '<3>broken error="disk full"\n'])
  })

  it('stays one line whatever is in it', () => {
    const { log, lines } = recorded('plain')
    log.info('first\nsecond\u001b[2J', { reason: 'x\ny' })
    expect(lines.join('')).toMatch(/^\[INFO [^\n]*\] first second \[2J reason="x\\ny"\n$/)
  })

  it('below the level is not written', () => {
    const { log, lines } = recorded('plain', 'warn')
    log.note('no')
    log.warn('yes')
    expect(lines).toHaveLength(1)
  })
})

it('the style follows where stderr goes', () => {
  expect(detectLogStyle({}, true)).toBe('colour')
  expect(detectLogStyle({ NO_COLOR: '1' }, true)).toBe('plain')
  expect(detectLogStyle({ JOURNAL_STREAM: '8:1' }, false)).toBe('journal')
  expect(detectLogStyle({}, false)).toBe('plain')
})
