import { ascii, bool, int64, large, list, maybe, short, word16 } from './encoding.ts'

export type QueueMode = 'messaging' | 'contact'

export interface LinkData {
  /** Contact addresses only: the id under which the data is found. */
  readonly linkId?: Buffer
  readonly senderId: Buffer
  readonly fixedData: Buffer
  readonly userData: Buffer
}

export interface NewQueue {
  readonly authSpki: Buffer
  readonly dhSpki: Buffer
  readonly password?: string | undefined
  readonly subscribe?: boolean | undefined
  /** v9..14: the Bool; v≥15: `undefined` means no queue request at all. */
  readonly mode?: QueueMode | undefined
  /** v≥15 */
  readonly link?: LinkData | undefined
  /** v≥17 */
  readonly notifier?: { readonly authSpki: Buffer; readonly dhSpki: Buffer } | undefined
}

const passwordField = (version: number, password: string | undefined): Buffer => {
  const field = password === undefined ? undefined : short(ascii(password))
  if (version >= 9) return maybe(field)
  return field ? Buffer.concat([ascii('A'), field]) : Buffer.alloc(0)
}

const linkField = (mode: QueueMode, link: LinkData): Buffer => {
  const linkId = mode === 'contact' ? [short(link.linkId ?? Buffer.alloc(0))] : []
  return Buffer.concat([...linkId, short(link.senderId), large(link.fixedData), large(link.userData)])
}

const modeField = (version: number, queue: NewQueue): Buffer => {
  if (version < 9) return Buffer.alloc(0)
  if (version < 15) return bool(queue.mode === 'messaging')
  const { mode, link } = queue
  if (mode === undefined) return maybe(undefined)
  const letter = ascii(mode === 'messaging' ? 'M' : 'C')
  return maybe(Buffer.concat([letter, maybe(link && linkField(mode, link))]))
}

const notifierField = (version: number, queue: NewQueue): Buffer =>
  version < 17
    ? Buffer.alloc(0)
    : maybe(queue.notifier && Buffer.concat([short(queue.notifier.authSpki), short(queue.notifier.dhSpki)]))

/** Command bytes as they follow the entity id in a transmission. */
export const commands = {
  new: (version: number, queue: NewQueue): Buffer =>
    Buffer.concat([
      ascii('NEW '),
      short(queue.authSpki),
      short(queue.dhSpki),
      passwordField(version, queue.password),
      ascii((queue.subscribe ?? true) ? 'S' : 'C'),
      modeField(version, queue),
      notifierField(version, queue),
    ]),
  sub: (): Buffer => ascii('SUB'),
  subs: (version: number, count: number, idsHash: Buffer): Buffer =>
    version < 19 ? ascii('SUBS') : Buffer.concat([ascii('SUBS '), int64(count), short(idsHash)]),
  nsub: (): Buffer => ascii('NSUB'),
  nsubs: (version: number, count: number, idsHash: Buffer): Buffer =>
    version < 19 ? ascii('NSUBS') : Buffer.concat([ascii('NSUBS '), int64(count), short(idsHash)]),
  key: (spki: Buffer): Buffer => Buffer.concat([ascii('KEY '), short(spki)]),
  skey: (spki: Buffer): Buffer => Buffer.concat([ascii('SKEY '), short(spki)]),
  rkey: (spkis: readonly Buffer[]): Buffer => Buffer.concat([ascii('RKEY '), list(spkis.map(short))]),
  lset: (linkId: Buffer, fixedData: Buffer, userData: Buffer): Buffer =>
    Buffer.concat([ascii('LSET '), short(linkId), large(fixedData), large(userData)]),
  ldel: (): Buffer => ascii('LDEL'),
  lkey: (spki: Buffer): Buffer => Buffer.concat([ascii('LKEY '), short(spki)]),
  lget: (): Buffer => ascii('LGET'),
  nkey: (authSpki: Buffer, dhSpki: Buffer): Buffer => Buffer.concat([ascii('NKEY '), short(authSpki), short(dhSpki)]),
  ndel: (): Buffer => ascii('NDEL'),
  get: (): Buffer => ascii('GET'),
  ack: (messageId: Buffer): Buffer => Buffer.concat([ascii('ACK '), short(messageId)]),
  off: (): Buffer => ascii('OFF'),
  del: (): Buffer => ascii('DEL'),
  que: (): Buffer => ascii('QUE'),
  send: (body: Buffer, notify: boolean): Buffer => Buffer.concat([ascii(notify ? 'SEND T ' : 'SEND F '), body]),
  ping: (): Buffer => ascii('PING'),
  prxy: (server: { hosts: readonly string[]; port: string; keyHash: Buffer }, password?: string): Buffer =>
    Buffer.concat([
      ascii('PRXY '),
      list(server.hosts.map((host) => short(ascii(host)))),
      short(ascii(server.port)),
      short(server.keyHash),
      maybe(password === undefined ? undefined : short(ascii(password))),
    ]),
  pfwd: (version: number, keySpki: Buffer, encTransmission: Buffer): Buffer =>
    Buffer.concat([ascii('PFWD '), word16(version), short(keySpki), encTransmission]),
  rfwd: (encFwdTransmission: Buffer): Buffer => Buffer.concat([ascii('RFWD '), encFwdTransmission]),
  rslv: (name: string): Buffer => ascii(`RSLV ${name}`),
} as const
