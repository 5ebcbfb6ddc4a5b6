// SMP wire format, padding:  pad(msg, n) = Word16(length of msg) ‖ msg ‖ '#' × (n - length - 2)

const filler = 0x23

/** The longest message that the two length bytes can announce, as the reference implementation limits it. */
export const maxPaddedMessage = 65533

/** Whether `length` bytes fit into `paddedLength` bytes. */
export function fitsPadding(length: number, paddedLength: number): boolean {
  return length <= maxPaddedMessage && length + 2 <= paddedLength
}

/** Pads `message` to exactly `paddedLength` bytes; throws RangeError when it does not fit. */
export function pad(message: Uint8Array, paddedLength: number): Buffer {
  const out = Buffer.allocUnsafeSlow(paddedLength)
  padInto(out, message)
  return out
}

/** As {@link pad}, filling the whole of `out`; `message` must not overlap `out` unless it is already at offset 2. */
export function padInto(out: Buffer, message: Uint8Array): void {
  if (!fitsPadding(message.length, out.length)) {
    throw new RangeError(`${message.length} bytes do not fit into ${out.length} padded ones`)
  }
  out.writeUInt16BE(message.length, 0)
  out.set(message, 2)
  out.fill(filler, message.length + 2)
}

/** The message of a padded buffer, as a view of it; undefined when the announced length is not there. */
export function unpad(padded: Buffer): Buffer | undefined {
  if (padded.length < 2) return undefined
  const end = 2 + padded.readUInt16BE(0)
  return end <= padded.length ? padded.subarray(2, end) : undefined
}
