import type { DhKey } from '../crypto/keys.ts'
import { readDhKey, writeKey } from './fields.ts'
import { parseWhole } from './reader.ts'
import { Writer } from './writer.ts'

// What proxy and relay encrypt for each other inside RFWD and RRES (SMP server behaviour §8.3).

export interface FwdTransmission {
  /** Of the sender's PFWD. */
  readonly corrId: Buffer
  /** The version that sender and relay speak. */
  readonly version: number
  /** The sender's key for this command. */
  readonly key: DhKey
  /** A view. */
  readonly encTransmission: Buffer
}

export interface FwdResponse {
  /** Of the sender's PFWD. */
  readonly corrId: Buffer
  /** A view. */
  readonly encResponse: Buffer
}

/** `fwdTransmission = short(corrId) word16(version) dhKey *byte` */
export function encodeFwdTransmission({ corrId, version, key, encTransmission }: FwdTransmission): Buffer {
  const w = new Writer(encTransmission.length + corrId.length + 64).short(corrId).word16(version)
  writeKey(w, key)
  return w.bytes(encTransmission).done()
}

export function parseFwdTransmission(bytes: Buffer): FwdTransmission | undefined {
  return parseWhole(bytes, (r) => ({
    corrId: r.shortCopy(),
    version: r.word16(),
    key: readDhKey(r),
    encTransmission: r.tail(),
  }))
}

/** `fwdResponse = short(corrId) *byte` */
export function encodeFwdResponse({ corrId, encResponse }: FwdResponse): Buffer {
  return new Writer(encResponse.length + corrId.length + 1).short(corrId).bytes(encResponse).done()
}

export function parseFwdResponse(bytes: Buffer): FwdResponse | undefined {
  return parseWhole(bytes, (r) => ({ corrId: r.shortCopy(), encResponse: r.tail() }))
}
