import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto'
import { serverBlockCipher } from '../../src/crypto/chain.ts'
import { decodeSpki, type DhKey, type PublicKey } from '../../src/crypto/keys.ts'
import { idFromBytes, type ServiceId } from '../../src/protocol/ids.ts'
import type { ServiceRole } from '../../src/protocol/hello.ts'
import { encodeTransmission, type Command, type SessionAuth } from '../client/authorization.ts'
import { boxKey, nonceOf, seal, type BoxKey } from '../client/box.ts'
import { ClientBlockCipher } from '../client/chain.ts'
import { senderIdFor } from '../client/client.ts'
import { commands } from '../client/commands.ts'
import { large, pad, short, unpad, word16 } from '../client/encoding.ts'
import { agree, spkiPrefix, x25519PublicKey, type AuthAlg, type AuthKey } from '../client/keys.ts'
import { parsePayload, parseTransmission, type Received } from '../client/replies.ts'
import { openMemoryRelay, type MemoryRelay, type MemorySession } from './memory-relay.ts'
import { mutate } from './mutate.ts'
import type { Random } from './random.ts'
import type { Seeds } from './seeds.ts'

/** How long a block may keep the relay busy, all its consequences included. */
const HANG_MS = 5000
const BLOCK = 16_384
/** Queues that are known at once; the oldest is forgotten for a new one. */
const KNOWN = 24

const PKCS8 = {
  ed25519: '302e020100300506032b657004220420',
  ed448: '3047020100300506032b6571043b0439',
  x25519: '302e020100300506032b656e04220420',
} as const
const RAW = { ed25519: 32, ed448: 57, x25519: 32 } as const

const keyFrom = <Alg extends AuthAlg>(alg: Alg, raw: Buffer): AuthKey<Alg> & { readonly raw: Buffer } => {
  const der = Buffer.concat([Buffer.from(PKCS8[alg], 'hex'), raw])
  const privateKey = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
  return { alg, raw, privateKey, spki: createPublicKey(privateKey).export({ format: 'der', type: 'spki' }) }
}

const dhKeyOf = (spki: Buffer): DhKey => ({ alg: 'x25519', raw: spki.subarray(spkiPrefix.x25519.length) })
const signatureKeyOf = (spki: Buffer): PublicKey<'ed25519'> => {
  const key = decodeSpki(spki)
  if (key?.alg !== 'ed25519') throw new Error('not an Ed25519 key')
  return { alg: key.alg, raw: key.raw }
}

interface KnownQueue {
  readonly rcvId: Buffer
  readonly sndId: Buffer
  readonly key: AuthKey
}

interface Client {
  readonly memory: MemorySession
  readonly auth: SessionAuth
  readonly cipher: ClientBlockCipher | undefined
  readonly serviceId: Buffer | undefined
  /** Of proxies: for what is forwarded. */
  readonly box: BoxKey | undefined
  readonly serverSpki: Buffer
  readonly serverKey: KeyObject
}

/**
 * Whole blocks against the sessions of a relay in memory: conversations that make sense, with changes in them. What the
 * relay sends has to be readable by the independent client.
 */
export class SessionFuzzer {
  readonly #random: Random
  readonly #seeds: Seeds
  readonly #keys: readonly [AuthKey, ...AuthKey[]]
  readonly #dhKey: AuthKey<'x25519'>
  readonly #relay: MemoryRelay
  readonly #clients: [Client, ...Client[]]
  readonly #queues: KnownQueue[] = []
  readonly #notifiers: Buffer[] = []
  readonly #messages: Buffer[] = []
  /** The key in each NEW that was sent lately, by its corrId. */
  readonly #created = new Map<string, AuthKey>()
  readonly #links: readonly [Buffer, ...Buffer[]]
  #clock = 1_700_000_000_000
  /** Replies by their words. */
  readonly answers = new Map<string, number>()

  constructor(random: Random, seeds: Seeds) {
    this.#random = random
    this.#seeds = seeds
    const key = <Alg extends AuthAlg>(alg: Alg) => keyFrom(alg, random.bytes(RAW[alg]))
    this.#keys = [key('ed25519'), key('ed25519'), key('x25519'), key('ed448')]
    this.#dhKey = key('x25519')
    this.#links = [random.bytes(24), random.bytes(24), random.bytes(24)]
    this.#relay = openMemoryRelay(
      (size) => random.bytes(size),
      () => this.#clock,
    )
    this.#clients = [
      this.#connect(20),
      ...[6, 7, 8, 9, 11, 14, 15, 16, 17, 18, 19, 20].map((version) => this.#connect(version)),
      ...[11, 20].map((version) => this.#connect(version, { encrypted: true })),
      ...[10, 20].map((version) => this.#connect(version, { proxy: true })),
      ...(['M', 'N', 'P'] as const).flatMap((role) => [16, 20].map((version) => this.#connect(version, { role }))),
    ]
  }

  close(): void {
    this.#relay.close()
  }

  /** One block, until the relay has nothing left to do about it. */
  async step(): Promise<void> {
    const random = this.#random
    this.#clock += random.below(100)
    if (this.#created.size > 100) this.#created.clear()
    const client = random.of(this.#clients)
    const { memory } = client
    if (random.once(200)) memory.deaf = true
    this.#send(client)
    await this.#settle(client)
    if (memory.deaf) {
      memory.read()
      await this.#settle(client)
    }
    for (const one of this.#clients) this.#read(one)
    const [fault] = this.#relay.faults
    if (fault !== undefined) throw new Error('the relay failed', { cause: fault })
    if (!memory.isOpen) throw new Error('the relay closed a connection')
  }

  #send(client: Client): void {
    const random = this.#random
    const { cipher, memory } = client
    const kind = random.below(20)
    if (kind === 0) {
      // The chain of the block cipher goes on even if a block cannot be opened.
      cipher?.sealBlock(Buffer.alloc(0))
      memory.feed(random.bytes(BLOCK))
      return
    }
    const payload =
      kind === 1 ? mutate(random.of(this.#seeds.all), random, random.of(this.#seeds.all)) : this.#payload(client)
    const changed = kind < 14 ? payload : mutate(payload, random, random.of(this.#seeds.all))
    const fitting = changed.subarray(0, cipher ? BLOCK - 18 : BLOCK - 2)
    memory.feed(cipher ? cipher.sealBlock(fitting) : pad(fitting, BLOCK))
  }

  /** A few commands that fit a block. */
  #payload(client: Client): Buffer {
    if (client.box && this.#random.once(2)) {
      const corrId = this.#random.bytes(24)
      const command = { entityId: Buffer.alloc(0), bytes: commands.rfwd(this.#forwarded(client, corrId)) }
      return Buffer.concat([Buffer.of(1), large(encodeTransmission(client.auth, corrId, command))])
    }
    const transmissions: Buffer[] = []
    let size = 1
    for (let count = 1 + this.#random.below(5); count > 0; count--) {
      const transmission = large(this.#transmission(client))
      if (size + transmission.length > BLOCK - 18) break
      size += transmission.length
      transmissions.push(transmission)
    }
    return Buffer.concat([Buffer.of(transmissions.length), ...transmissions])
  }

  #transmission(client: Client): Buffer {
    const random = this.#random
    const corrId = random.bytes(random.once(20) ? random.below(256) : 24)
    const command = this.#command(client, corrId)
    const bytes = random.once(12)
      ? mutate(command.bytes, random, random.of(this.#seeds.all)).subarray(0, 15_000)
      : command.bytes
    const serviceSigned =
      client.auth.service !== undefined && client.auth.version >= 16 && (command.serviceSigned ?? random.once(30))
    return encodeTransmission(client.auth, corrId, { ...command, bytes, serviceSigned })
  }

  #command(client: Client, corrId: Buffer): Command {
    const random = this.#random
    const { version, service } = client.auth
    const key = random.of(this.#keys)
    const queue: KnownQueue = this.#queues[random.below(KNOWN)] ?? {
      rcvId: random.bytes(24),
      sndId: random.bytes(24),
      key,
    }
    const own = { entityId: queue.rcvId, key: random.once(15) ? key : queue.key }
    const none = Buffer.alloc(0)
    const link = random.of(this.#links)
    const body = random.bytes(random.once(10) ? 16_000 : random.below(60))
    switch (random.below(26)) {
      case 0:
      case 1:
      case 2: {
        const mode = random.of(['messaging', 'contact'] as const)
        const senderId = senderIdFor(corrId)
        const bytes = commands.new(version, {
          authSpki: key.spki,
          dhSpki: this.#dhKey.spki,
          subscribe: !random.once(3),
          mode: random.once(5) ? undefined : mode,
          ...(random.once(3) && { link: { linkId: link, senderId, fixedData: body.subarray(0, 40), userData: none } }),
          ...(random.once(3) && { notifier: { authSpki: key.spki, dhSpki: this.#dhKey.spki } }),
        })
        this.#created.set(corrId.toString('latin1'), key)
        return { entityId: none, bytes, key, serviceSigned: true }
      }
      case 3:
      case 4:
        return { ...own, bytes: commands.sub(), serviceSigned: true }
      case 5:
      case 6:
      case 7:
        return { entityId: queue.sndId, bytes: commands.send(body, random.once(2)), ...(random.once(2) && { key }) }
      case 8:
      case 9:
        return { ...own, bytes: commands.ack(this.#messages[random.below(8)] ?? none) }
      case 10:
        return { ...own, bytes: commands.get() }
      case 11:
        return { ...own, bytes: commands.que() }
      case 12:
        return { ...own, bytes: random.of([commands.key(key.spki), commands.rkey([key.spki, queue.key.spki])]) }
      case 13:
        return { ...own, bytes: random.of([commands.lset(link, body.subarray(0, 90), none), commands.ldel()]) }
      case 14:
        return { ...own, bytes: random.of([commands.nkey(key.spki, this.#dhKey.spki), commands.ndel()]) }
      case 15:
        return { ...own, bytes: random.of([commands.off(), commands.del()]) }
      case 16:
        return { entityId: queue.sndId, bytes: commands.skey(key.spki), key }
      case 17:
        return {
          entityId: link,
          bytes: random.of([commands.lkey(key.spki), commands.lget()]),
          ...(random.once(2) && { key }),
        }
      case 18:
      case 19: {
        const entityId = this.#notifiers[random.below(8)] ?? random.bytes(24)
        return { entityId, bytes: commands.nsub(), key, serviceSigned: true }
      }
      case 20: {
        const bytes = random.of([commands.subs, commands.nsubs])(version, random.below(5), Buffer.alloc(16))
        return { entityId: client.serviceId ?? none, bytes, key: service?.sessionKey ?? key, serviceSigned: false }
      }
      case 21: {
        const hosts = [random.of(['relay.example.com', 'abc.onion', '10.0.0.1'] as const)]
        return { entityId: none, bytes: commands.prxy({ hosts, port: '', keyHash: random.bytes(32) }, 'x') }
      }
      case 22:
        return { entityId: random.bytes(32), bytes: commands.pfwd(version, this.#dhKey.spki, body) }
      case 23:
      case 24:
        return { entityId: none, bytes: commands.rfwd(this.#forwarded(client, corrId)) }
      default:
        return { entityId: none, bytes: random.of([commands.ping(), commands.rslv('alice.simplex')]) }
    }
  }

  /** What a proxy forwards, changed in one of its layers or in none. */
  #forwarded(client: Client, corrId: Buffer): Buffer {
    const random = this.#random
    if (!client.box || random.once(10)) return random.bytes(random.below(400))
    const version = random.once(8) ? random.below(70_000) % 65_536 : 6 + random.below(15)
    const senderCorrId = random.bytes(24)
    const auth = { ...client.auth, version, service: undefined, authenticatorKeys: new WeakMap() }
    const command = this.#command({ ...client, auth, box: undefined }, senderCorrId)
    const inner = encodeTransmission(auth, senderCorrId, { ...command, serviceSigned: false })
    const payload = Buffer.concat([Buffer.of(1), large(inner)]).subarray(0, 16_000)
    const layer = random.below(6)
    const changed = (bytes: Buffer, at: number): Buffer =>
      layer === at ? mutate(bytes, random, random.of(this.#seeds.all)).subarray(0, 16_200) : bytes
    const senderBox = boxKey(agree(this.#dhKey, client.serverSpki))
    const plain = changed(payload, 0)
    const padded = pad(plain, random.once(2) ? 16_226 : plain.length + 2 + random.below(100))
    const sealed = seal(senderBox, nonceOf(senderCorrId), padded)
    const head = Buffer.concat([short(senderCorrId), word16(version), short(this.#dhKey.spki)])
    const fwd = Buffer.concat([changed(head, 1), changed(sealed, 2)]).subarray(0, 16_313)
    return changed(seal(client.box, nonceOf(corrId), fwd), 3)
  }

  async #settle({ memory }: Client): Promise<void> {
    const end = performance.now() + HANG_MS
    for (let turn = 0; turn < 2 || memory.session.queued.received > 0; turn++) {
      await new Promise((resolve) => setImmediate(resolve))
      if (memory.deaf && turn > 3) return
      if (performance.now() > end) throw new Error(`a block kept the relay busy for more than ${HANG_MS} ms`)
    }
    await new Promise((resolve) => setImmediate(resolve))
  }

  #read({ memory, auth, cipher }: Client): void {
    for (const block of memory.written.splice(0)) {
      const payload = cipher ? cipher.openBlock(block) : unpad(block)
      for (const bytes of parsePayload(payload)) {
        this.#learn(parseTransmission(bytes, auth.version, auth.sessionId))
      }
    }
  }

  #learn({ corrId, reply }: Received): void {
    const word = reply.type === 'ERR' ? `ERR ${reply.error.split(' ', 2).join(' ')}` : reply.type
    this.answers.set(word, (this.answers.get(word) ?? 0) + 1)
    const random = this.#random
    if (reply.type === 'IDS') {
      const { rcvId, sndId, notifier } = reply
      const key = this.#created.get(corrId.toString('latin1')) ?? random.of(this.#keys)
      this.#queues[random.below(KNOWN)] = { rcvId, sndId, key }
      if (notifier) this.#notifiers[random.below(8)] = notifier.notifierId
    }
    if (reply.type === 'NID') this.#notifiers[random.below(8)] = reply.notifierId
    if (reply.type === 'MSG') this.#messages[random.below(8)] = reply.messageId
  }

  #connect(version: number, kind: { encrypted?: boolean; proxy?: boolean; role?: ServiceRole } = {}): Client {
    const random = this.#random
    const sessionId = random.bytes(32)
    const [server, own] = [keyFrom('x25519', random.bytes(32)), keyFrom('x25519', random.bytes(32))]
    const secret = agree(own, server.spki)
    const serviceKey = keyFrom('ed25519', random.bytes(32))
    const certHash = random.bytes(32)
    const serviceId = random.bytes(24)
    const { role, encrypted, proxy = role === 'P' } = kind
    const memory = this.#relay.connect({
      version,
      sessionId,
      sessionKeys: { privateKey: server.raw, publicKey: dhKeyOf(server.spki) },
      sessionSecret: secret,
      proxy,
      ...(encrypted && { cipher: serverBlockCipher(sessionId, secret) }),
      ...(role && {
        service: {
          serviceId: idFromBytes<ServiceId>(serviceId),
          role,
          certificates: [],
          certHash,
          sessionKey: signatureKeyOf(serviceKey.spki),
        },
      }),
    })
    const serverKey = x25519PublicKey(server.spki)
    return {
      memory,
      auth: {
        version,
        sessionId,
        serverKey,
        authenticatorKeys: new WeakMap(),
        service: role && { certHash, sessionKey: serviceKey },
      },
      cipher: encrypted ? new ClientBlockCipher(sessionId, secret) : undefined,
      serviceId: role && serviceId,
      box: proxy ? boxKey(secret) : undefined,
      serverSpki: server.spki,
      serverKey,
    }
  }
}
