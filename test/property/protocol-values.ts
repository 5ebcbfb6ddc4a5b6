import fc from 'fast-check'
import { publicKey, type AuthKey, type DhKey } from '../../src/crypto/keys.ts'
import type { Command, CommandType } from '../../src/protocol/command.ts'
import type { QueueRequest } from '../../src/protocol/commands/new.ts'
import type { SmpError } from '../../src/protocol/errors.ts'
import type { ClientHello, ServerHello, ServiceRole } from '../../src/protocol/hello.ts'
import { idFromBytes, type EntityId, type LinkId, type MsgId, type SndId } from '../../src/protocol/ids.ts'
import type { BrokerError } from '../../src/protocol/broker-error.ts'
import type { ProxyError } from '../../src/protocol/errors.ts'
import type { Reply, ReplyType } from '../../src/protocol/reply.ts'
import type { ServerAddress } from '../../src/protocol/server-address.ts'
import type { TransportError } from '../../src/protocol/transport-error.ts'
import { SMP_MAX, SMP_MIN, since } from '../../src/protocol/versions.ts'

// Arbitrary values of every message, such as exist at a version.

export const versions = Array.from({ length: SMP_MAX - SMP_MIN + 1 }, (_, index) => SMP_MIN + index)

export const bytes = (maxLength: number, minLength = 0): fc.Arbitrary<Buffer> =>
  fc.uint8Array({ minLength, maxLength }).map((array) => Buffer.from(array))

const exactly = (length: number): fc.Arbitrary<Buffer> => bytes(length, length)

export const id = <T extends EntityId | MsgId>(): fc.Arbitrary<T> =>
  fc.oneof({ weight: 4, arbitrary: exactly(24) }, bytes(255)).map((value) => idFromBytes<T>(value))

export const text = fc.string({ unit: 'binary', maxLength: 40 })

const count = fc.oneof(fc.constant(-1), fc.integer(), fc.maxSafeInteger())

export const dhKey: fc.Arbitrary<DhKey> = exactly(32).map((raw) => publicKey('x25519', raw))

const authKey: fc.Arbitrary<AuthKey> = fc.oneof(
  exactly(32).map((raw) => publicKey('ed25519', raw)),
  exactly(57).map((raw) => publicKey('ed448', raw)),
  dhKey,
)

const notifierKeys = fc.record({ authKey, dhKey })

const password = fc.string({
  unit: fc
    .integer({ min: 0x21, max: 0x7e })
    .map((code) => String.fromCharCode(code))
    .filter((c) => !'@:/'.includes(c)),
  minLength: 1,
  maxLength: 32,
})

const linkData = { fixedData: bytes(40), userData: bytes(40) }

const mode = fc.constantFrom('M' as const, 'C' as const)

/** `optional`: true for a field that may be absent, false for one that does not exist at this version. */
function record<T>(
  fields: { [K in keyof T]: fc.Arbitrary<T[K]> },
  optional: { [K in keyof T]?: boolean } = {},
): fc.Arbitrary<T> {
  const required = Object.keys(fields).filter((key) => optional[key as keyof T] === undefined)
  const present = Object.entries<fc.Arbitrary<unknown>>(fields).filter(([key]) => optional[key as keyof T] !== false)
  return fc.record(Object.fromEntries(present), { requiredKeys: required }) as fc.Arbitrary<T>
}

const always = <T extends string>(type: T): fc.Arbitrary<T> => fc.constant(type)

const labels = fc.string({ unit: fc.constantFrom('a', 'b', 'z', '0', '5', '9'), minLength: 1, maxLength: 20 })

export const host = fc.oneof(
  fc.ipV4(),
  labels.map((label) => `${label}.onion`),
  fc.tuple(labels, labels).map(([a, b]) => `${a}-x.${b}.example`),
  fc
    .array(fc.integer({ min: 1, max: 0xffff }), { minLength: 8, maxLength: 8 })
    .map((words) => words.map((word) => word.toString(16)).join(':')),
  fc.constantFrom('::1', 'localhost'),
)

export const serverAddress: fc.Arbitrary<ServerAddress> = record<ServerAddress>(
  {
    keyHash: exactly(32),
    hosts: fc.array(host, { minLength: 1, maxLength: 4 }),
    port: fc.oneof(fc.constant(''), fc.integer({ min: 1, max: 65535 }).map(String)),
    password,
  },
  { password: true },
)

const relayAddress = serverAddress.map(({ keyHash, hosts, port }) => ({ keyHash, hosts, port }))

const certKey = fc.record({ chain: fc.array(bytes(60), { minLength: 1, maxLength: 4 }), signedKey: bytes(60) })

const versionRange = fc
  .tuple(fc.nat(0xffff), fc.nat(0xffff))
  .map(([a, b]) => ({ min: Math.min(a, b), max: Math.max(a, b) }))

const service = (version: number): fc.Arbitrary<{ count: number; idsHash: Buffer }> =>
  version >= since.serviceHash
    ? fc.record({ count, idsHash: exactly(16) })
    : fc.record({ count, idsHash: fc.constant(Buffer.alloc(16)) })

const claim = (version: number): fc.Arbitrary<{ count: number; idsHash: Buffer }> =>
  version >= since.serviceHash ? service(version) : fc.constant({ count: -1, idsHash: Buffer.alloc(16) })

function queueRequest(version: number): fc.Arbitrary<QueueRequest> {
  if (version < since.shortLinks) return mode.map((value) => ({ mode: value }))
  const messaging = record<Messaging>(
    { mode: always('M'), link: fc.record({ sndId: id<SndId>(), ...linkData }) },
    { link: true },
  )
  const contact = record<Contact>(
    { mode: always('C'), link: fc.record({ linkId: id<LinkId>(), sndId: id<SndId>(), ...linkData }) },
    { link: true },
  )
  return fc.oneof(messaging, contact)
}

type Messaging = Extract<QueueRequest, { mode: 'M' }>
type Contact = Extract<QueueRequest, { mode: 'C' }>

type Arbitraries<T extends string, V extends { type: T }> = {
  [K in T]: (version: number) => fc.Arbitrary<Extract<V, { type: K }>>
}

const bare =
  <T extends string>(type: T) =>
  (): fc.Arbitrary<{ type: T }> =>
    fc.constant({ type })

export const commands: Arbitraries<CommandType, Command> = {
  NEW: (version) =>
    record<Command<'NEW'>>(
      {
        type: always('NEW'),
        rcvAuthKey: authKey,
        rcvDhKey: dhKey,
        password,
        subscribe: fc.boolean(),
        queueRequest: queueRequest(version),
        notifierKeys,
      },
      {
        password: true,
        // Between v9 and v14 the mode is not optional.
        ...(version < since.senderKey && { queueRequest: false }),
        ...(version >= since.shortLinks && { queueRequest: true }),
        notifierKeys: version >= since.newNotifier,
      },
    ),
  SUB: bare('SUB'),
  SUBS: (version) => claim(version).map((queues) => ({ type: 'SUBS', ...queues })),
  KEY: () => record({ type: always('KEY'), key: authKey }),
  RKEY: () => record({ type: always('RKEY'), keys: fc.array(authKey, { minLength: 1, maxLength: 5 }) }),
  LSET: () => record({ type: always('LSET'), linkId: id<LinkId>(), link: fc.record(linkData) }),
  LDEL: bare('LDEL'),
  NKEY: () => record({ type: always('NKEY'), keys: notifierKeys }),
  NDEL: bare('NDEL'),
  GET: bare('GET'),
  ACK: () => record({ type: always('ACK'), msgId: id<MsgId>() }),
  OFF: bare('OFF'),
  DEL: bare('DEL'),
  QUE: bare('QUE'),
  SKEY: () => record({ type: always('SKEY'), key: authKey }),
  SEND: () => record({ type: always('SEND'), notify: fc.boolean(), body: bytes(100) }),
  LKEY: () => record({ type: always('LKEY'), key: authKey }),
  LGET: bare('LGET'),
  NSUB: bare('NSUB'),
  NSUBS: (version) => claim(version).map((queues) => ({ type: 'NSUBS', ...queues })),
  PING: bare('PING'),
  PRXY: () => record<Command<'PRXY'>>({ type: always('PRXY'), server: relayAddress, password }, { password: true }),
  PFWD: () => record({ type: always('PFWD'), version: fc.nat(0xffff), key: dhKey, encTransmission: bytes(100) }),
  RFWD: () => record({ type: always('RFWD'), encFwdTransmission: bytes(100) }),
  RSLV: () => record({ type: always('RSLV'), name: fc.tuple(labels, labels).map(([a, b]) => `${a}.${b}-c.simplex`) }),
}

const notifierIds = fc.record({ notifierId: id<Reply<'NID'>['notifierId']>(), srvNtfDhKey: dhKey })

export const transportError: fc.Arbitrary<TransportError> = fc.oneof(
  fc
    .constantFrom('BLOCK' as const, 'VERSION' as const, 'LARGE_MSG' as const, 'SESSION' as const, 'NO_AUTH' as const)
    .map((type) => ({ type })),
  fc
    .constantFrom('PARSE' as const, 'IDENTITY' as const, 'BAD_AUTH' as const, 'BAD_SERVICE' as const)
    .map((error) => ({ type: 'HANDSHAKE' as const, error })),
)

const brokerError: fc.Arbitrary<BrokerError> = fc.oneof(
  fc
    .constantFrom('NETWORK' as const, 'TIMEOUT' as const, 'HOST' as const, 'NO_SERVICE' as const)
    .map((type) => ({ type })),
  fc.record({ type: fc.constantFrom('RESPONSE' as const, 'UNEXPECTED' as const), message: text }),
  fc.record({ type: always('TRANSPORT'), error: transportError }),
)

/** Errors such as a client of this version is told. */
export const smpError = (version: number, depth = 2): fc.Arbitrary<SmpError> =>
  fc.oneof<fc.Arbitrary<SmpError>[]>(
    fc
      .constantFrom(
        ...([
          'BLOCK',
          'SESSION',
          'AUTH',
          'SERVICE',
          'CRYPTO',
          'QUOTA',
          'EXPIRED',
          'NO_MSG',
          'LARGE_MSG',
          'INTERNAL',
          'DUPLICATE_',
        ] as const),
      )
      .map((type) => ({ type })),
    fc
      .constantFrom(...(['UNKNOWN', 'SYNTAX', 'PROHIBITED', 'NO_AUTH', 'HAS_AUTH', 'NO_ENTITY', 'NO_QUEUE'] as const))
      .map((error) => ({ type: 'CMD', error })),
    blocked(version),
    record({ type: always('STORE'), message: text }),
    fc
      .oneof(
        fc.constantFrom('NO_RESOLVER' as const, 'NOT_FOUND' as const).map((type) => ({ type })),
        record({ type: always('RESOLVER'), message: text }),
      )
      .map((error) => ({ type: 'NAME', error })),
    proxyError(version, depth).map((error) => ({ type: 'PROXY', error })),
  )

function proxyError(version: number, depth: number): fc.Arbitrary<ProxyError> {
  const leaves: fc.Arbitrary<ProxyError>[] = [
    fc.constantFrom('BASIC_AUTH' as const, 'NO_SESSION' as const).map((type) => ({ type })),
    brokerError.map((error) => ({ type: 'BROKER', error })),
  ]
  if (depth > 0) leaves.push(smpError(version, depth - 1).map((error) => ({ type: 'PROTOCOL', error })))
  return fc.oneof(...leaves)
}

function blocked(version: number): fc.Arbitrary<SmpError> {
  if (version < since.blockedError) return fc.constant({ type: 'AUTH' })
  return record<Extract<SmpError, { type: 'BLOCKED' }>>(
    {
      type: always('BLOCKED'),
      reason: fc.constantFrom('spam', 'content'),
      notice: fc.record({ ttl: fc.maxSafeInteger() }, { requiredKeys: [] }),
    },
    { notice: version >= since.blockedNotice },
  )
}

export const replies: Arbitraries<ReplyType, Reply> = {
  IDS: (version) =>
    record<Reply<'IDS'>>(
      {
        type: always('IDS'),
        rcvId: id(),
        sndId: id(),
        srvDhKey: dhKey,
        queueMode: mode,
        linkId: id(),
        serviceId: id(),
        notifier: notifierIds,
      },
      {
        ...(version < since.senderKey && { queueMode: false }),
        ...(version >= since.shortLinks && { queueMode: true }),
        linkId: version >= since.shortLinks,
        serviceId: version >= since.services,
        notifier: version >= since.newNotifier,
      },
    ),
  LNK: () => record({ type: always('LNK'), sndId: id<SndId>(), link: fc.record(linkData) }),
  SOK: () => record<Reply<'SOK'>>({ type: always('SOK'), serviceId: id() }, { serviceId: true }),
  SOKS: (version) => service(version).map((queues) => ({ type: 'SOKS', ...queues })),
  ENDS: (version) => service(version).map((queues) => ({ type: 'ENDS', ...queues })),
  MSG: () => record({ type: always('MSG'), msgId: id<MsgId>(), body: bytes(100) }),
  ALLS: bare('ALLS'),
  NID: () => notifierIds.map((ids) => ({ type: 'NID', ...ids })),
  NMSG: () => record({ type: always('NMSG'), nonce: exactly(24), encMeta: bytes(255) }),
  PKEY: () => record<Reply<'PKEY'>>({ type: always('PKEY'), relayId: id(), range: versionRange, certKey }),
  RRES: () => record({ type: always('RRES'), encFwdResponse: bytes(100) }),
  PRES: () => record({ type: always('PRES'), encResponse: bytes(100) }),
  END: bare('END'),
  DELD: bare('DELD'),
  INFO: () => record({ type: always('INFO'), json: text }),
  OK: bare('OK'),
  PONG: bare('PONG'),
  ERR: (version) => smpError(version).map((error) => ({ type: 'ERR', error })),
  RNAME: () => record({ type: always('RNAME'), json: text }),
}

export const serverHello: fc.Arbitrary<ServerHello> = versionRange.chain((range) =>
  record<ServerHello>(
    { range: fc.constant(range), sessionId: bytes(255), certKey },
    range.max >= since.impliedSessionId ? {} : { certKey: false },
  ),
)

export const clientHello = (version: number): fc.Arbitrary<ClientHello> =>
  record<ClientHello>(
    {
      version: fc.constant(version),
      keyHash: bytes(255),
      key: dhKey,
      proxy: version >= since.proxyFlag ? fc.boolean() : fc.constant(false),
      service: fc
        .tuple(fc.constantFrom<ServiceRole>('M', 'N', 'P'), certKey)
        .map(([role, signed]) => ({ role, ...signed })),
    },
    { key: version >= since.impliedSessionId, service: version >= since.services },
  )
