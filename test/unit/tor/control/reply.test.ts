import { describe, expect, it } from 'vitest'
import type { ControlMessage } from '../../../../src/tor/control/reply.ts'
import { FramingError, ReplyParser, maxMessageBytes } from '../../../../src/tor/control/reply.ts'

const wire = (...lines: string[]): Buffer => Buffer.from(lines.map((line) => `${line}\r\n`).join(''))
const parse = (...lines: string[]): ControlMessage[] => new ReplyParser().push(wire(...lines))

const protocolInfo = [
  '250-PROTOCOLINFO 1',
  '250-AUTH METHODS=COOKIE,SAFECOOKIE COOKIEFILE="/run/tor/control.authcookie"',
  '250-VERSION Tor="0.4.9.11"',
  '250 OK',
]
const transcript = [
  ...protocolInfo,
  '650 HS_DESC UPLOADED elbqz43n4fepvyrxgjwsvpylse2m7u4b4i2dzroxuno644wou3sorwad UNKNOWN $0123~auth1',
  '250+onions/detached=',
  'elbqz43n4fepvyrxgjwsvpylse2m7u4b4i2dzroxuno644wou3sorwad',
  'opzuh7zruzglastucbfbibrchuwztgncnwpg5kore65jj7vhkmvwumyd',
  '.',
  '250 OK',
  '650+HS_DESC_CONTENT elbq abc $0123',
  '..dotted',
  '250 inside data this is no reply',
  '',
  '.',
  '650 OK',
  '513 Unacceptable option value: größer',
]

describe('the framing of replies', () => {
  it('a reply of several lines is one message', () => {
    expect(parse(...protocolInfo)).toEqual([
      {
        status: 250,
        lines: [
          { text: 'PROTOCOLINFO 1' },
          { text: 'AUTH METHODS=COOKIE,SAFECOOKIE COOKIEFILE="/run/tor/control.authcookie"' },
          { text: 'VERSION Tor="0.4.9.11"' },
          { text: 'OK' },
        ],
      },
    ])
  })

  it('a data block is unstuffed, and what looks like replies inside it stays data', () => {
    const [, , data, event, refusal] = parse(...transcript)
    expect(data?.lines[0]).toEqual({
      text: 'onions/detached=',
      data: 'elbqz43n4fepvyrxgjwsvpylse2m7u4b4i2dzroxuno644wou3sorwad\nopzuh7zruzglastucbfbibrchuwztgncnwpg5kore65jj7vhkmvwumyd',
    })
    expect(event).toEqual({
      status: 650,
      lines: [
        { text: 'HS_DESC_CONTENT elbq abc $0123', data: '.dotted\n250 inside data this is no reply\n' },
        { text: 'OK' },
      ],
    })
    expect(refusal).toEqual({ status: 513, lines: [{ text: 'Unacceptable option value: größer' }] })
  })

  it('the messages are the same wherever the bytes are split', () => {
    const bytes = wire(...transcript)
    const whole = new ReplyParser().push(bytes)
    expect(whole).toHaveLength(5)
    for (let at = 0; at <= bytes.length; at += 1) {
      const parser = new ReplyParser()
      expect([...parser.push(bytes.subarray(0, at)), ...parser.push(bytes.subarray(at))]).toEqual(whole)
    }
    const parser = new ReplyParser()
    expect([...bytes].flatMap((byte) => parser.push(Buffer.from([byte])))).toEqual(whole)
  })

  it('the parser does not keep a view of a chunk', () => {
    const parser = new ReplyParser()
    const chunk = Buffer.from('250 O')
    parser.push(chunk)
    chunk.fill(0)
    expect(parser.push(Buffer.from('K\r\n'))).toEqual([{ status: 250, lines: [{ text: 'OK' }] }])
  })

  it('an unfinished message waits for its end', () => {
    for (const part of ['', '2', '250', '250 OK', '250 OK\r', '250-a\r\n', '250+a\r\ntext\r\n', '250+a\r\n.\r\n']) {
      expect(new ReplyParser().push(Buffer.from(part))).toEqual([])
    }
  })

  it.each([
    ['no status', 'hello'],
    ['an empty line', ''],
    ['a status of two digits', '25 OK'],
    ['a status of four digits', '2500 OK'],
    ['an unknown separator', '250=OK'],
    ['a status outside the classes', '150 OK'],
    ['a line feed in front', '\n250 OK'],
    ['what a web server says', 'HTTP/1.1 400 Bad Request'],
  ])('the framing refuses %s', (_, line) => {
    expect(() => parse(line)).toThrow(FramingError)
  })

  it('an event inside a reply is refused, and a reply inside an event', () => {
    expect(() => parse('250-a=b', '650 NETWORK_LIVENESS UP')).toThrow(FramingError)
    expect(() => parse('650-a', '250 OK')).toThrow(FramingError)
  })

  it('a message may have several refusals', () => {
    expect(parse('552-Unrecognized option "a"', '552 Unrecognized option "b"')[0]?.status).toBe(552)
  })

  it('an endless line or message is refused', () => {
    expect(() => new ReplyParser().push(Buffer.alloc(1024 * 1024 + 1, 'a'))).toThrow(FramingError)
    const parser = new ReplyParser()
    const line = Buffer.from(`250-${'a'.repeat(500_000)}\r\n`)
    expect(() => {
      for (let sent = 0; sent <= maxMessageBytes; sent += line.length) parser.push(line)
    }).toThrow(FramingError)
  })
})
