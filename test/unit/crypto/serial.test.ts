import { describe, expect, it } from 'vitest'
import { nextSerial, randomSerial, serialText } from '../../../src/crypto/serial.ts'

it('makes random serial numbers of 20 bytes that are positive and do not begin with zero', () => {
  for (let i = 0; i < 100; i++) {
    const serial = randomSerial()
    expect(serial.length).toBe(20)
    expect(serial[0]).toBeGreaterThanOrEqual(0x40)
    expect(serial[0]).toBeLessThan(0x80)
  }
})

describe('serial', () => {
  it('nextSerial counts up from the number in ca.srl', () => {
    const last = '5CDC0C517C839C606F56E342E65F7267443CCACF\n'
    expect(serialText(nextSerial(last))).toBe('5CDC0C517C839C606F56E342E65F7267443CCAD0\n')
    expect(serialText(nextSerial('01\n'))).toBe('02\n')
    expect(serialText(nextSerial('FF'))).toBe('0100\n')
    expect(serialText(nextSerial('0f'))).toBe('10\n')
  })

  it.each([undefined, '', 'no number', '-1', '0x10', 'F'.repeat(41), `7${'F'.repeat(39)}`, `8${'0'.repeat(39)}`])(
    'nextSerial is random when ca.srl holds %j',
    (text) => {
      expect(nextSerial(text).length).toBe(20)
      expect(nextSerial(text)).not.toEqual(nextSerial(text))
    },
  )
})
