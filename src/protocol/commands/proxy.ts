import type { DhKey } from '../../crypto/keys.ts'
import { readPassword } from '../basic-auth.ts'
import type { Codec } from '../codec.ts'
import { readDhKey, writeKey } from '../fields.ts'
import { readRelayAddress, writeRelayAddress, type RelayAddress } from '../server-address.ts'

/** A sender asks this relay to connect it with another. */
export interface PrxyCommand {
  readonly type: 'PRXY'
  readonly server: RelayAddress
  /** A latin1 byte string. */
  readonly password?: string
}

/** A sender's command for the relay of the session that the entity id names. */
export interface PfwdCommand {
  readonly type: 'PFWD'
  /** The version that the sender and the relay speak. */
  readonly version: number
  /** The sender's key for this command. */
  readonly key: DhKey
  /** A view of the block. */
  readonly encTransmission: Buffer
}

/** A proxy's delivery of a sender's command. */
export interface RfwdCommand {
  readonly type: 'RFWD'
  /** A view of the block. */
  readonly encFwdTransmission: Buffer
}

/** `PRXY = "PRXY" SP address maybe(password)` */
export const prxyCodec: Codec<PrxyCommand> = {
  parse(r) {
    r.space()
    const server = readRelayAddress(r)
    const password = r.maybe(readPassword)
    return { type: 'PRXY', server, ...(password !== undefined && { password }) }
  },
  encode(w, { server, password }) {
    writeRelayAddress(w.space(), server)
    w.maybe(password, (present) => w.shortLatin1(present))
  },
}

/** `PFWD = "PFWD" SP word16(version) dhKey *byte` */
export const pfwdCodec: Codec<PfwdCommand> = {
  parse(r) {
    r.space()
    return { type: 'PFWD', version: r.word16(), key: readDhKey(r), encTransmission: r.tail() }
  },
  encode(w, { version, key, encTransmission }) {
    writeKey(w.space().word16(version), key)
    w.bytes(encTransmission)
  },
}

/** `RFWD = "RFWD" SP *byte` */
export const rfwdCodec: Codec<RfwdCommand> = {
  parse(r) {
    r.space()
    return { type: 'RFWD', encFwdTransmission: r.tail() }
  },
  encode: (w, { encFwdTransmission }) => void w.space().bytes(encFwdTransmission),
}
