import { expect, it } from 'vitest'
import { bytesText } from '../../../src/system/bytes-text.ts'

it.each([
  [0, '0 B'],
  [1023, '1023 B'],
  [1024, '1.0 KiB'],
  [10 * 1024, '10 KiB'],
  [3 * 1024 ** 2, '3.0 MiB'],
  [20.4 * 1024 ** 3, '20 GiB'],
  [5000 * 1024 ** 4, '5000 TiB'],
])('%d bytes are shown as %s', (bytes, text) => {
  expect(bytesText(bytes)).toBe(text)
})
