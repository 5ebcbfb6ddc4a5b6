/** Just enough DER to write a self-signed certificate and a signed key. */

export const der = (tag: number, ...parts: readonly Uint8Array[]): Buffer => {
  const content = Buffer.concat(parts)
  const length = content.length
  const head =
    length < 0x80 ? [tag, length] : length < 0x100 ? [tag, 0x81, length] : [tag, 0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.from(head), content])
}

export const sequence = (...parts: readonly Uint8Array[]): Buffer => der(0x30, ...parts)
export const set = (...parts: readonly Uint8Array[]): Buffer => der(0x31, ...parts)
export const integer = (bytes: Uint8Array): Buffer => der(0x02, bytes)
export const bitString = (bytes: Uint8Array): Buffer => der(0x03, Buffer.of(0), bytes)
export const octetString = (bytes: Uint8Array): Buffer => der(0x04, bytes)
export const objectId = (hex: string): Buffer => der(0x06, Buffer.from(hex, 'hex'))
export const utf8 = (text: string): Buffer => der(0x0c, Buffer.from(text))
export const generalizedTime = (date: Date): Buffer =>
  der(0x18, Buffer.from(`${date.toISOString().slice(0, 19).replace(/[-:T]/g, '')}Z`))

export const signatureAlgorithm = {
  ed25519: sequence(objectId('2b6570')),
  ed448: sequence(objectId('2b6571')),
} as const

/** Splits a DER value: its header length and the end of its content. */
export const derSpan = (bytes: Buffer, at: number): { content: number; end: number } => {
  const first = bytes.readUInt8(at + 1)
  if (first < 0x80) return { content: at + 2, end: at + 2 + first }
  const count = first & 0x7f
  const content = at + 2 + count
  return { content, end: content + bytes.readUIntBE(at + 2, count) }
}
