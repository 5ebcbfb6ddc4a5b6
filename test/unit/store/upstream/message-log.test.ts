import { describe, expect, it } from 'vitest'
import {
  formatMessageLine,
  formatNotificationLine,
  parseMessageLine,
  parseNotificationLine,
} from '../../../../src/store/upstream/message-log.ts'

const RID = '4GIxBOAEUthdQzyFYLzYOo98qhGdY0Zz'
const MID = 'ah7pEymbeAXF4QjLAO4v8CuhX3mcdBO1'
const NONCE = 'VX29bDCv7ZEj3WN57H8fOAWZHOcge9U8'
const META = Buffer.alloc(144, 5).toString('base64url')

describe('a line of the messages', () => {
  it.each([`v3 ${RID} ${MID} 1700000000 flags=T aGVsbG8=`, `v3 ${RID} ${MID} 1700000000 quota`])(
    'is written as it was read: %s',
    (line) => {
      const record = parseMessageLine(line)
      expect(record && formatMessageLine(record)).toBe(line)
    },
  )

  it('without flags does not notify', () => {
    const record = parseMessageLine(`v3 ${RID} ${MID} 1700000000 aGVsbG8=`)
    expect(record?.message).toMatchObject({ type: 'message', notify: false, body: Buffer.from('hello') })
  })

  it('may have an empty body', () => {
    const record = parseMessageLine(`v3 ${RID} ${MID} 1700000000 flags=F `)
    expect(record?.message).toMatchObject({ body: Buffer.alloc(0) })
  })

  it.each([
    '',
    `v2 ${RID} ${MID} 1700000000 flags=T aGVsbG8=`,
    `v3 ${RID} ${MID} 1700000000`,
    `v3 ${RID} ${MID} 1700000000 flags=X aGVsbG8=`,
    `v3 ${RID} ${MID} 1700000000 flags=T aGVsbG8= more`,
    `v3 ${RID} ${MID} 1700000000 flags=T aGVs bG8=`,
    `v3 ${RID} ${MID} 1700000000 flags=T aGVsb`,
    `v3 ${RID} ${MID} now flags=T aGVsbG8=`,
    `v3 ${RID} ${MID} 1700000000 quota more`,
    `v3 ${RID}`,
  ])('is refused when it is not one: "%s"', (line) => {
    expect(parseMessageLine(line)).toBeUndefined()
  })
})

describe('a line of the notifications', () => {
  it('is written as it was read', () => {
    const line = `v1 ${RID} ${MID} 1700000000 ${NONCE} ${META}`
    const record = parseNotificationLine(line)
    expect(record?.notification.nonce).toHaveLength(24)
    expect(record && formatNotificationLine(record)).toBe(line)
  })

  it.each([
    `v2 ${RID} ${MID} 1700000000 ${NONCE} ${META}`,
    `v1 ${RID} ${MID} 1700000000 ${NONCE}`,
    `v1 ${RID} ${MID} 1700000000 AAAA ${META}`,
    `v1 ${RID} ${MID} 1700000000 ${NONCE} ${META} more`,
  ])('is refused when it is not one: "%s"', (line) => {
    expect(parseNotificationLine(line)).toBeUndefined()
  })
})
