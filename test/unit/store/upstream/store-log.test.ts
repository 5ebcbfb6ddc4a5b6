import { describe, expect, it } from 'vitest'
import { idToBytes } from '../../../../src/protocol/ids.ts'
import { formatStoreLogRecord, parseStoreLogLine } from '../../../../src/store/upstream/store-log.ts'

const RID = '4GIxBOAEUthdQzyFYLzYOo98qhGdY0Zz'
const SID = 'gDVhN_Dz8AY9ViPJX2wuUpB90SljJUd-'
const LINK = 'CALniV2tb7Cw5Fmv-wZJkj9H5jo4QJYk'
const NTF = '9LMLrb3Lm7CQqijkpmRqkVucd_1wVVZE'
const SVC = 'M-Eri-dDVGaIZhhkzBQN17Vdi6XTL50d'
const ED25519 = 'MCowBQYDK2VwAyEAsoeqGfLUY-F0ubp2h3ZYFc42d1HJvqB14T2Gk_QTCkI='
const X25519 = 'MCowBQYDK2VuAyEAB3lHIjimRz2izweLpCWB4cbHzDEY5fftWiuaDswzpT4='
const ED448 = 'MEMwBQYDK2VxAzoAs1lKaPbW3-pSB7rdS_ghYccEUsdK9lKnetV_MWwqxolZ9QuEYtEjYGcqv6KtWP8xFVIk5khwHX0A'
const SECRET = 'kAyntb4BT7muuHlR-HyhrOOBeeSEkKxsqf6WqfcqlnE='
const CREATE = `CREATE rid=${RID} rk=${ED25519} rdh=${SECRET} sid=${SID} sk=`
const FULL =
  `CREATE rid=${RID} rk=${ED25519},${X25519} rdh=${SECRET} sid=${SID} sk=${ED448} queue_mode=C ` +
  `link_id=${LINK} queue_data=Zml4ZWQtZGF0YQ== dXNlci1kYXRh notifier=${NTF} ${X25519} ${SECRET} nsrv=${SVC} ` +
  `updated_at=1699920000 status=blocked,reason=spam rsrv=${SVC}`
const CERT = Buffer.from('certificate').toString('base64url')

const written = [
  `${CREATE} queue_mode=M updated_at=1699920000`,
  CREATE,
  FULL,
  `${CREATE} status=off`,
  `${CREATE} status=blocked,reason=content,notice={"ttl":86400}`,
  `${CREATE} status=blocked,reason=spam,notice={} rsrv=${SVC}`,
  `LINK ${RID} ${LINK} Zml4ZWQtZGF0YQ== dXNlci1kYXRh`,
  `LDELETE ${RID}`,
  `SECURE ${RID} ${ED25519}`,
  `KEYS ${RID} ${ED25519},${X25519}`,
  `NOTIFIER ${RID} ${NTF} ${X25519} ${SECRET}`,
  `NOTIFIER ${RID} ${NTF} ${X25519} ${SECRET} nsrv=${SVC}`,
  `SUSPEND ${RID}`,
  `BLOCK ${RID} reason=content`,
  `BLOCK ${RID} reason=spam,notice={"ttl":86400}`,
  `UNBLOCK ${RID}`,
  `DELETE ${RID}`,
  `NDELETE ${RID}`,
  `TIME ${RID} 1699920000`,
  `QUEUE_SERVICE ${RID} N ${SVC}`,
  `QUEUE_SERVICE ${RID} R `,
  `NEW_SERVICE service_id=${SVC} role=N cert=${CERT},${CERT} cert_hash=${SECRET} created_at=1699920000`.replaceAll(
    CERT,
    `${CERT}=`,
  ),
]

describe('a line of the store log', () => {
  it.each(written)('is written as it was read: %s', (line) => {
    const record = parseStoreLogLine(line)
    expect(record).toBeDefined()
    expect(record && formatStoreLogRecord(record)).toBe(line)
  })

  it('gives all parts of a queue', () => {
    const record = parseStoreLogLine(FULL)
    if (record?.type !== 'CREATE') throw new Error('not a CREATE')
    const { queue, link } = record
    expect(idToBytes(queue.rcvId).toString('base64url')).toBe(RID)
    expect(idToBytes(queue.sndId).toString('base64url')).toBe(SID)
    expect(queue.recipientKeys.map(({ alg }) => alg)).toEqual(['ed25519', 'x25519'])
    expect(queue.senderKey?.alg).toBe('ed448')
    expect(queue.rcvDhSecret.toString('base64url')).toBe(SECRET.slice(0, -1))
    expect(queue.queueMode).toBe('C')
    expect(queue.status).toEqual({ type: 'blocked', reason: 'spam' })
    expect(queue.updatedAt).toBe(1_699_920_000)
    expect(queue.notifier?.serviceId).toBe(queue.rcvServiceId)
    expect(link).toEqual({ fixedData: Buffer.from('fixed-data'), userData: Buffer.from('user-data') })
  })

  it.each([
    [' sndSecure=T', 'M'],
    [' sndSecure=F', 'C'],
    [' queue_mode=M', 'M'],
    ['', undefined],
  ])('of an older server says the mode as "%s"', (field, mode) => {
    const record = parseStoreLogLine(CREATE + field)
    expect(record?.type === 'CREATE' && record.queue.queueMode).toBe(mode)
  })

  it('may say that the queue is active', () => {
    const record = parseStoreLogLine(`${CREATE} status=active`)
    expect(record?.type === 'CREATE' && record.queue.status).toEqual({ type: 'active' })
  })

  it('is read without the padding of base64url too', () => {
    const record = parseStoreLogLine(`SECURE ${RID} ${ED25519.replace('=', '')}`)
    expect(record && formatStoreLogRecord(record)).toBe(`SECURE ${RID} ${ED25519}`)
  })

  it.each([
    '',
    'CREATE',
    'DELETE',
    'DELETE ',
    `DELETED ${RID}`,
    `delete ${RID}`,
    `DELETE ${RID} `,
    `DELETE  ${RID}`,
    ` DELETE ${RID}`,
    `DELETE ${RID.replace('4', '+')}`,
    `DELETE ${RID}A`,
    `SECURE ${RID}`,
    `SECURE ${RID} ${SECRET}`,
    `SECURE ${RID} ${ED25519} ${ED25519}`,
    `KEYS ${RID} ${ED25519},`,
    `TIME ${RID} -1`,
    `TIME ${RID} 99999999999999999`,
    `TIME ${RID} 1.5`,
    `BLOCK ${RID} reason=other`,
    `BLOCK ${RID} reason=spam,notice={`,
    `QUEUE_SERVICE ${RID} X ${SVC}`,
    `NOTIFIER ${RID} ${NTF} ${X25519}`,
    `LINK ${RID} ${LINK} Zml4`,
    `${CREATE} queue_mode=X`,
    `${CREATE} updated_at=1 queue_mode=M`,
    `${CREATE} link_id=${LINK}`,
    CREATE.replace(SECRET, 'AAAA'),
    CREATE.replace(`rk=${ED25519}`, 'rk='),
  ])('is refused when it is not one: "%s"', (line) => {
    expect(parseStoreLogLine(line)).toBeUndefined()
  })
})
