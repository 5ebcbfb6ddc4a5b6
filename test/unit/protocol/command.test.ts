import { describe, expect, it } from 'vitest'
import { checkCredentials, encodeCommand, parseCommand, type Command } from '../../../src/protocol/command.ts'
import type { LinkId, MsgId, SndId } from '../../../src/protocol/ids.ts'
import vectors from '../../vectors/vectors.json' with { type: 'json' }
import { ascii, authKey, concat, dhKey, hex, id, large, short } from './bytes.ts'

const rcvSpki = vectors.authorization.ed25519.spki
const rcvDhSpki = vectors.messageDelivery.rcvDhPubSpki
const x25519Spki = vectors.authorization.x25519.queueSpki
// The notifier's keys are only in the vectors of NKEY: after the word and the length of each.
const [ntfSpki = '', ntfDhSpki = ''] = [12, 102].map((start) => vectors.commands.NKEY.slice(start, start + 88))
const x448Spki = `${vectors.spki.prefixes.x448}${'11'.repeat(56)}`

const sndId = id<SndId>(vectors.commands.senderIdFromCorrId.sha3_384_first24)
const linkId = id<LinkId>('0802e7895dad6fb0b0e459affb0649923f47e63a38409624')
const link = { fixedData: ascii('fixed-data'), userData: ascii('user-data') }
const newKeys = { rcvAuthKey: authKey(rcvSpki), rcvDhKey: dhKey(rcvDhSpki) }
const notifierKeys = { authKey: authKey(ntfSpki), dhKey: dhKey(ntfDhSpki) }
const { NEW } = vectors.commands
const relay = {
  keyHash: hex('2dc25431f561c03f32c6302249a0f3cc6177fa42c6e14874165fd9223ad1c232'),
  hosts: ['smp.example.com', 'abc.onion'],
  port: '5223',
}

const known: [string, number[], string, Command][] = [
  ['NEW of v6..8', [6, 7, 8], NEW.v6_noauth_subscribe, { type: 'NEW', ...newKeys, subscribe: true }],
  [
    'NEW of v6..8 with a password',
    [6, 7, 8],
    NEW.v6_auth_pw,
    { type: 'NEW', ...newKeys, password: 'pw', subscribe: true },
  ],
  [
    'NEW of v9..14',
    [9, 10, 11, 12, 13, 14],
    NEW.v9_noauth_sndSecure,
    { type: 'NEW', ...newKeys, subscribe: true, queueRequest: { mode: 'M' } },
  ],
  [
    'NEW of v15, 16',
    [15, 16],
    NEW.v15_messaging_nolink,
    { type: 'NEW', ...newKeys, subscribe: true, queueRequest: { mode: 'M' } },
  ],
  [
    'NEW of a one-time link at v17',
    [17, 18, 19, 20],
    NEW.v17_messaging_link,
    { type: 'NEW', ...newKeys, subscribe: true, queueRequest: { mode: 'M', link: { sndId, ...link } } },
  ],
  [
    'NEW of a contact link with password and notifier at v17',
    [17, 18, 19, 20],
    NEW.v17_contact_link_ntf_pw,
    {
      type: 'NEW',
      ...newKeys,
      password: 'pw',
      subscribe: false,
      queueRequest: { mode: 'C', link: { linkId, sndId, ...link } },
      notifierKeys,
    },
  ],
  ['KEY', [6, 20], vectors.commands.KEY, { type: 'KEY', key: authKey(rcvSpki) }],
  ['SKEY', [6, 20], vectors.commands.SKEY, { type: 'SKEY', key: authKey(rcvSpki) }],
  ['RKEY', [6, 20], vectors.commands.RKEY_2, { type: 'RKEY', keys: [authKey(rcvSpki), authKey(x25519Spki)] }],
  ['NKEY', [6, 20], vectors.commands.NKEY, { type: 'NKEY', keys: notifierKeys }],
  ['ACK', [6, 20], vectors.commands.ACK, { type: 'ACK', msgId: id<MsgId>(vectors.messageDelivery.msgIdNonce) }],
  ['SEND', [6, 20], vectors.commands.SEND, { type: 'SEND', notify: true, body: ascii('hello') }],
  ['LSET', [6, 20], vectors.commands.LSET, { type: 'LSET', linkId, link }],
  ['LKEY', [6, 20], vectors.commands.LKEY, { type: 'LKEY', key: authKey(rcvSpki) }],
  [
    'SUBS of v19',
    [19, 20],
    vectors.commands.SUBS_v19,
    { type: 'SUBS', count: 2, idsHash: hex('4edbe498f818c614ac8a757613f54b32') },
  ],
  ['SUBS before', [6, 16, 18], ascii('SUBS').toString('hex'), { type: 'SUBS', count: -1, idsHash: Buffer.alloc(16) }],
  [
    'NSUBS before v19',
    [6, 18],
    ascii('NSUBS').toString('hex'),
    { type: 'NSUBS', count: -1, idsHash: Buffer.alloc(16) },
  ],
  ['PRXY', [6, 20], vectors.commands.PRXY, { type: 'PRXY', server: relay }],
  [
    'PRXY with a password',
    [6, 20],
    vectors.commands.PRXY_pw,
    { type: 'PRXY', server: { ...relay, hosts: ['smp.example.com'], port: '' }, password: 'pw' },
  ],
  ['RSLV', [6, 20], ascii('RSLV alice.simplex').toString('hex'), { type: 'RSLV', name: 'alice.simplex' }],
]

describe('commands', () => {
  it.each(
    known.flatMap(([name, versions, encoded, command]) => versions.map((v) => [name, v, encoded, command] as const)),
  )('%s (here at v%i) have known bytes', (_name, version, encoded, command) => {
    expect(parseCommand(hex(encoded), version)).toEqual(command)
    expect(encodeCommand(command, version).toString('hex')).toBe(encoded)
  })

  it.each(['SUB', 'LDEL', 'NDEL', 'GET', 'OFF', 'DEL', 'QUE', 'LGET', 'NSUB', 'PING'] as const)(
    '%s is nothing but its word at every version',
    (word) => {
      for (const version of [6, 20]) {
        expect(parseCommand(ascii(word), version)).toEqual({ type: word })
        expect(encodeCommand({ type: word }, version)).toEqual(ascii(word))
      }
    },
  )

  it('keep their keys and link data when the block is overwritten', () => {
    const block = hex(NEW.v17_contact_link_ntf_pw)
    const command = parseCommand(block, 20)
    block.fill(0)
    expect(command).toEqual(known[5]?.[3])
  })
})

describe('SEND', () => {
  it('takes its body as a view of the block', () => {
    const block = ascii('SEND T hello')
    const command = parseCommand(block, 20)
    block.fill('x')
    expect(command).toMatchObject({ body: ascii('xxxxx') })
  })

  it.each([
    ['SEND F ', false, ''],
    ['SEND T  ', true, ' '],
    ['SEND Tabc hello', true, 'hello'],
    ['SEND FT#\0 a b', false, 'a b'],
  ])('%j skips what follows the first flag', (text, notify, body) => {
    expect(parseCommand(ascii(text), 6)).toEqual({ type: 'SEND', notify, body: ascii(body) })
  })
})

describe('NEW', () => {
  const base = concat('NEW ', short(hex(rcvSpki)), short(hex(rcvDhSpki)))

  it('without a queue request at v15 asks for a queue of unknown mode', () => {
    const command = parseCommand(concat(base, '0S0'), 15)
    expect(command).toEqual({ type: 'NEW', ...newKeys, subscribe: true })
  })

  it('at v9..14 asks for a contact queue with F', () => {
    expect(parseCommand(concat(base, '0CF'), 14)).toMatchObject({ subscribe: false, queueRequest: { mode: 'C' } })
  })

  it.each([
    ['with the form of v9', 8, concat(base, '0ST')],
    ['with the form of v6', 9, concat(base, 'S')],
    ['with the form of v15', 14, concat(base, '0SM0')],
    ['with the form of v17', 16, concat(base, '0S00')],
    ['without notifier keys', 17, concat(base, '0S0')],
    ['with an X448 key', 20, concat('NEW ', short(hex(x448Spki)), short(hex(rcvDhSpki)), '0S00')],
    ['with a signature key to agree with', 20, concat('NEW ', short(hex(rcvSpki)), short(hex(rcvSpki)), '0S00')],
    ['with a password of a space', 20, concat(base, '1', short(' '), 'S00')],
    ['with a password of a colon', 20, concat(base, '1', short('a:b'), 'S00')],
    ['with a password of a control character', 6, concat(base, 'A', short('\x01'), 'S')],
    ['with link data that ends early', 20, concat(base, '0S1M1', short('id'), large('f'), '\0\x02u', '0')],
  ])('%s is a syntax error at v%i', (_name, version, bytes) => {
    expect(parseCommand(bytes, version)).toEqual(syntaxError)
  })
})

describe('RSLV', () => {
  it.each([
    ['RSLV alice.simplex anything', 'alice.simplex'],
    ['RSLV Alice.SIMPLEX\tx', 'alice.simplex'],
    ['RSLV a-b.example.org\n', 'a-b.example.org'],
    ['RSLV a.testing ', 'a.testing'],
  ])('%j asks for a name and ignores the rest', (text, name) => {
    expect(parseCommand(ascii(text), 20)).toEqual({ type: 'RSLV', name })
  })

  it.each(['RSLV', 'RSLV ', 'RSLV alice', 'RSLV  alice.simplex', 'RSLV alice..simplex', 'RSLV a_b.simplex'])(
    '%j is a syntax error',
    (text) => {
      expect(parseCommand(ascii(text), 20)).toEqual(syntaxError)
    },
  )
})

describe('PRXY', () => {
  it.each([
    ['no host', concat('\0', short(''), short(relay.keyHash), '0')],
    ['a host that is none', concat('\x01', short('a b'), short(''), short(relay.keyHash), '0')],
    ['no password tag', concat('\x01', short('a.example'), short(''), short(relay.keyHash))],
    [
      'an IPv4 address that goes on',
      concat('\x01', short('192.168.0.1.example'), short(''), short(relay.keyHash), '0'),
    ],
  ])('with %s is a syntax error', (_name, parameters) => {
    expect(parseCommand(concat('PRXY ', parameters), 20)).toEqual(syntaxError)
  })

  it('gives hosts in their canonical form', () => {
    const hosts = concat('\x03', short('010.0.0.1'), short('[2001:DB8::0:1]'), short('a.example'))
    expect(parseCommand(concat('PRXY ', hosts, short(''), short(relay.keyHash), '0'), 20)).toMatchObject({
      server: { hosts: ['10.0.0.1', '2001:db8::1', 'a.example'] },
    })
  })
})

describe('words', () => {
  it.each([
    '',
    'HELLO',
    'SUB=',
    'sub',
    'SUBSUB',
    'OK',
    'IDS ',
    'NEWX',
    'toString',
    '__proto__',
    'constructor',
    ' SUB',
    'A'.repeat(16000),
  ])('%j is unknown', (text) => {
    expect(parseCommand(ascii(text), 20)).toEqual({ type: 'error', error: { type: 'CMD', error: 'UNKNOWN' } })
  })

  it.each([
    'SUB ',
    'PING ',
    'SUB x',
    'OFF  ',
    'SEND',
    'SEND ',
    'SEND T',
    'SEND X hello',
    'ACK',
    'KEY',
    'NEW',
    'NSUBS ',
  ])('%j is known, but not well formed', (text) => {
    expect(parseCommand(ascii(text), 20)).toEqual(syntaxError)
  })
})

describe('the table of syntax errors', () => {
  const fill = (text: string): Buffer =>
    concat(
      ...text
        .split(/(<[^>]*>)/u)
        .map((part) =>
          part === '<pubkey>'
            ? short(hex(vectors.upstreamKeys.samplePubKeyEd25519_spki))
            : part === '<dhkey>'
              ? short(hex(vectors.upstreamKeys.sampleDhPubKeyX25519_spki))
              : part.startsWith('<short')
                ? short(part.slice(1, -1).split(' ')[1] ?? '')
                : part.replace('\\x01', '\x01'),
        ),
    )
  const cases = vectors.syntaxTests.cases.flatMap(([signature = '', , entity = '', commands = '', reply = '']) =>
    commands.split('|').map((command) => ({ signature, entity, command, reply })),
  )

  it.each(cases)('$signature, entity "$entity", $command gives $reply', ({ signature, entity, command, reply }) => {
    const parsed = parseCommand(fill(command), 19)
    const error =
      parsed.type === 'error' ? parsed.error : checkCredentials(parsed.type, entity !== '', signature === 'sig')
    expect(error).toEqual(
      reply.startsWith('ERR CMD ') ? { type: 'CMD', error: reply.slice('ERR CMD '.length) } : undefined,
    )
  })
})

describe('credentials', () => {
  const queueCommands = [
    'SUB',
    'KEY',
    'RKEY',
    'LSET',
    'LDEL',
    'NKEY',
    'NDEL',
    'GET',
    'ACK',
    'OFF',
    'DEL',
    'QUE',
  ] as const
  const others = ['SKEY', 'LKEY', 'NSUB', 'SUBS', 'NSUBS'] as const

  // The answer to: neither, entity only, authorization only, both.
  const rules = [
    { types: [...queueCommands, ...others], errors: ['NO_AUTH', 'NO_AUTH', 'NO_AUTH', undefined] },
    { types: ['NEW'] as const, errors: ['NO_AUTH', 'NO_AUTH', undefined, 'HAS_AUTH'] },
    { types: ['SEND'] as const, errors: ['NO_ENTITY', undefined, 'NO_ENTITY', undefined] },
    { types: ['LGET', 'PFWD'] as const, errors: ['NO_ENTITY', undefined, 'NO_ENTITY', 'HAS_AUTH'] },
    { types: ['PING', 'PRXY', 'RFWD', 'RSLV'] as const, errors: [undefined, 'HAS_AUTH', 'HAS_AUTH', 'HAS_AUTH'] },
  ]

  it.each(rules)('are required or refused as the specification says for $types', ({ types, errors }) => {
    const found = types.map((type) =>
      [
        [false, false],
        [true, false],
        [false, true],
        [true, true],
      ].map(([entity = false, authorization = false]) => checkCredentials(type, entity, authorization)?.error),
    )
    expect(found).toEqual(types.map(() => errors))
  })

  it('are specified for every command', () => {
    expect(new Set(rules.flatMap(({ types }) => [...types])).size).toBe(25)
  })
})

const syntaxError = { type: 'error', error: { type: 'CMD', error: 'SYNTAX' } }
