/** One DER element: its tag, its content, and all of its bytes. Views of the input. */
export interface DerElement {
  readonly tag: number
  readonly content: Buffer
  readonly bytes: Buffer
}

/**
 * The elements that follow each other in `bytes`, to the last byte; undefined when they do not fill it exactly.
 * One-byte tags and definite lengths below 4 GiB only, which is all that certificates use. (X.690 §8.1)
 */
export function derElements(bytes: Buffer): DerElement[] | undefined {
  const elements: DerElement[] = []
  for (let offset = 0; offset < bytes.length;) {
    const element = elementAt(bytes, offset)
    if (element === undefined) return undefined
    elements.push(element)
    offset += element.bytes.length
  }
  return elements
}

function elementAt(bytes: Buffer, offset: number): DerElement | undefined {
  const tag = bytes[offset]
  const first = bytes[offset + 1]
  if (tag === undefined || first === undefined || (tag & 0x1f) === 0x1f) return undefined
  let start = offset + 2
  let length = first
  if (first >= 0x80) {
    const lengthBytes = first - 0x80
    if (lengthBytes < 1 || lengthBytes > 4 || start + lengthBytes > bytes.length) return undefined
    length = bytes.readUIntBE(start, lengthBytes)
    start += lengthBytes
  }
  const end = start + length
  if (end > bytes.length) return undefined
  return { tag, content: bytes.subarray(start, end), bytes: bytes.subarray(offset, end) }
}
