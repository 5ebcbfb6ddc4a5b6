import { appendFileSync, cpSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { idFromBytes, type LinkId, type NotifierId, type RcvId } from '../../../src/protocol/ids.ts'
import { exportUpstream } from '../../../src/store/upstream/export.ts'
import { importUpstream, retireUpstreamFiles, type ImportWarning } from '../../../src/store/upstream/import.ts'
import { openMemoryStore } from '../../../src/store/memory.ts'
import { embedded } from './engines.ts'
import { aMessage, aQueue, aService, msgId, rcvId, serviceId } from './fixtures.ts'

// The samples were written by upstream's server: the log of a few queues, what it saved when it was stopped, and the
// store log that it compacted at its next start.
const samples = fileURLToPath(new URL('../../samples/upstream/', import.meta.url))

let directory: string
const at = (name: string): string => join(directory, name)
const text = (path: string): string => readFileSync(path, 'latin1')
const sorted = (path: string): string[] => text(path).split('\n').sort()
// eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- as idFromBytes
const id = <T extends RcvId | LinkId | NotifierId>(base64url: string): T =>
  idFromBytes<T>(Buffer.from(base64url, 'base64url'))

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'smp-upstream-'))
  cpSync(samples, directory, { recursive: true })
})

afterEach(() => {
  rmSync(directory, { recursive: true })
})

embedded("upstream's files", (open) => {
  it('are read: queues, messages, quota and notifications', async () => {
    const store = open()
    expect(await importUpstream(store, directory)).toMatchObject({ logLines: 18 })
    const secured = store.queue(id<RcvId>('cc37M16ssmRj5PzdokEJ_w0y-cCOEh50'))
    expect(secured).toMatchObject({ queueMode: 'M', status: { type: 'active' }, senderKey: { alg: 'x25519' } })
    expect(store.queueByNotifier(id<NotifierId>('i68jeyya25PnXMF5n2U3ZtZkjmfwkot-'))).toEqual(secured)
    const address = store.queueByLink(id<LinkId>('8611HThTinERTBQNTJ-bDWLNzHjGQoS2'))
    expect(address).toMatchObject({ queueMode: 'C' })
    expect(store.linkData(id<LinkId>('8611HThTinERTBQNTJ-bDWLNzHjGQoS2'))).toEqual({
      fixedData: Buffer.from('fixed data'),
      userData: Buffer.from('user data'),
    })
    expect(store.queue(id<RcvId>('RNRAPKA-pKZMynqQGW216CRLICLZQQlq'))?.status).toEqual({ type: 'off' })
    expect(store.queue(id<RcvId>('jUu1WrS3CwCRDQAlw2d0FR53OWLY2DMa'))?.status).toMatchObject({ reason: 'spam' })
    expect(store.queue(id<RcvId>('Jtoqk6EZeyDivkjB1SpYTQGKICAHd36_'))).toBeUndefined()

    const full = id<RcvId>('DkwD0gUZumHm3C2sBkbBhM-mlCnsON4c')
    expect(store.queueSize(full)).toBe(129)
    expect([...store.messages(full)].at(-1)?.type).toBe('quota')
    expect(store.writeMessage(full, aMessage(1))).toEqual({ stored: false })
    expect(store.firstMessage(full)).toMatchObject({ notify: false, body: Buffer.from('fill') })
    expect(store.counts().notifications).toBe(1)
  })

  it('are written as upstream wrote them', async () => {
    const store = open()
    const imported = await importUpstream(store, directory)
    const report = await exportUpstream(store, at('out'))
    expect(report).toMatchObject({ queues: imported.queues, messages: imported.messages.lines, emptyMessages: 0 })
    expect(sorted(at('out/smp-server-store.log'))).toEqual(sorted(at('compacted/smp-server-store.log')))
    expect(sorted(at('out/smp-server-messages.log'))).toEqual(sorted(at('smp-server-messages.log')))
    expect(text(at('out/smp-server-ntfs.log'))).toBe(text(at('smp-server-ntfs.log')))
    expect(statSync(at('out/smp-server-store.log')).mode & 0o777).toBe(0o600)
  })

  it('keep the messages of a queue in order', async () => {
    const store = open()
    await importUpstream(store, directory)
    await exportUpstream(store, at('out'))
    const ofQueue = (path: string): string[] =>
      text(path)
        .split('\n')
        .filter((line) => line.includes(' DkwD0gUZumH'))
    expect(ofQueue(at('out/smp-server-messages.log'))).toEqual(ofQueue(at('smp-server-messages.log')))
  })

  it('give the same store when they are exported and imported again', async () => {
    const store = open()
    store.addService(aService(1))
    store.addQueue(aQueue(1, { rcvServiceId: serviceId(1) }))
    store.setStatus(rcvId(1), { type: 'blocked', reason: 'spam', notice: { ttl: 5 } })
    await importUpstream(store, directory)
    await exportUpstream(store, at('out'))
    const again = openMemoryStore({ quota: 128 })
    const warnings: ImportWarning[] = []
    await importUpstream(again, at('out'), { onWarning: (warning) => warnings.push(warning) })
    expect(warnings).toEqual([])
    expect(again.counts()).toEqual(store.counts())
    for (const queue of store.queues()) {
      expect(again.queue(queue.rcvId)).toEqual(queue)
      expect([...again.messages(queue.rcvId)]).toEqual([...store.messages(queue.rcvId)])
    }
    expect([...again.services()]).toEqual([...store.services()])
  })

  it('have a notice apart from a service, which upstream could not read in one line', async () => {
    const store = open()
    store.addService(aService(1))
    store.addQueue(aQueue(1, { rcvServiceId: serviceId(1) }))
    store.setStatus(rcvId(1), { type: 'blocked', reason: 'spam', notice: { ttl: 5 } })
    await exportUpstream(store, at('out'))
    const [, created, blocked] = text(at('out/smp-server-store.log')).split('\n')
    expect(created).toMatch(/ status=blocked,reason=spam rsrv=\S+$/)
    expect(blocked).toMatch(/^BLOCK \S+ reason=spam,notice=\{"ttl":5\}$/)
  })

  it('are imported once, also when it is done twice', async () => {
    const store = open()
    await importUpstream(store, directory)
    const counts = store.counts()
    await importUpstream(store, directory)
    expect(store.counts()).toEqual(counts)
  })

  it('may be missing: then nothing is imported', async () => {
    const store = open()
    expect(await importUpstream(store, at('nowhere'))).toMatchObject({ logLines: 0, queues: 0 })
    expect(store.counts().queues).toBe(0)
  })

  it('may hold old messages and notifications, which are left out', async () => {
    const store = open()
    const options = { messagesBefore: 2_000_000_000, notificationsBefore: 2_000_000_000 }
    const { messages, notifications } = await importUpstream(store, directory, options)
    expect(messages.stored).toBe(1)
    expect(messages.expired).toBe(messages.lines - 1)
    expect(notifications).toMatchObject({ stored: 0, expired: 1 })
  })

  it('are warned about where the store log cannot be followed', async () => {
    const store = open()
    const log = at('smp-server-store.log')
    appendFileSync(log, 'NONSENSE\n')
    appendFileSync(log, 'SUSPEND Jtoqk6EZeyDivkjB1SpYTQGKICAHd36_\n')
    appendFileSync(log, 'SUSPEND AAAA\n')
    appendFileSync(log, text(log).split('\n')[0] ?? '')
    const warnings: ImportWarning[] = []
    await importUpstream(store, directory, { onWarning: (warning) => warnings.push(warning) })
    expect(warnings.map(({ type, line }) => [type, line])).toEqual([
      ['unparsable', 19],
      ['deleted queue', 20],
      ['unknown queue', 21],
      ['duplicate', 22],
    ])
    for (const warning of warnings) expect(JSON.stringify(warning)).not.toMatch(/Jtoqk|AAAA|cc37/)
  })

  it('are refused when a message has no queue or the last one was cut off, unless told to go on', async () => {
    const store = open()
    const line = `v3 AAAA ${'A'.repeat(32)} 1700000000 flags=T aGVsbG8=\n`
    appendFileSync(at('smp-server-messages.log'), line)
    await expect(importUpstream(store, directory)).rejects.toMatchObject({ code: 'UPSTREAM_WARNING' })
    appendFileSync(at('smp-server-messages.log'), line.slice(0, 20))
    const warnings: string[] = []
    const onWarning = ({ type }: ImportWarning): unknown => warnings.push(type)
    await importUpstream(open(), directory, { skipWarnings: true, onWarning })
    expect(warnings).toEqual(['unknown queue', 'unparsable'])
  })

  it('are refused when a line in the middle of the messages is damaged', async () => {
    const messages = text(at('smp-server-messages.log'))
    writeFileSync(at('smp-server-messages.log'), `damaged\n${messages}`)
    const importing = importUpstream(open(), directory, { skipWarnings: true })
    await expect(importing).rejects.toMatchObject({
      code: 'UPSTREAM_FILE',
      message: expect.stringContaining('Line 1 ') as string,
    })
  })

  it('of a start that was interrupted are read from what it had kept', async () => {
    const store = open()
    writeFileSync(at('smp-server-store.log.start'), text(at('smp-server-store.log')))
    writeFileSync(at('smp-server-store.log'), '')
    const warnings: string[] = []
    await importUpstream(store, directory, { onWarning: ({ type }) => warnings.push(type) })
    expect(warnings).toEqual(['interrupted'])
    expect(store.counts().queues).toBe(7)
  })

  it('tell of messages that do not fit into their queue', async () => {
    const store = open({ quota: 100 })
    const warnings: string[] = []
    await importUpstream(store, directory, { onWarning: ({ type }) => warnings.push(type) })
    expect(warnings.every((type) => type === 'full queue')).toBe(true)
    expect(warnings.length).toBe(28)
  })

  it('are not overwritten by an export', async () => {
    const store = open()
    await expect(exportUpstream(store, directory)).rejects.toMatchObject({ code: 'UPSTREAM_FILE_EXISTS' })
    expect(text(at('smp-server-store.log'))).not.toBe('')
  })

  it('do not get messages without a body, which upstream cannot read', async () => {
    const store = open()
    store.addQueue(aQueue(1))
    store.writeMessage(rcvId(1), aMessage(1, { body: Buffer.alloc(0) }))
    store.writeMessage(rcvId(1), aMessage(2))
    expect(await exportUpstream(store, at('out'))).toMatchObject({ messages: 1, emptyMessages: 1 })
    const again = openMemoryStore({ quota: 128 })
    await importUpstream(again, at('out'))
    expect(again.firstMessage(rcvId(1))?.id).toBe(msgId(2))
  })

  it('are put aside after an import, under the names that upstream gives them', async () => {
    await retireUpstreamFiles(directory, new Date(0))
    expect(existsSync(at('smp-server-store.log.1970-01-01T00:00:00.000Z'))).toBe(true)
    expect(existsSync(at('smp-server-messages.log.bak'))).toBe(true)
    expect(existsSync(at('smp-server-ntfs.log.bak'))).toBe(true)
    expect(existsSync(at('smp-server-store.log'))).toBe(false)
    await retireUpstreamFiles(directory, new Date(0))
  })
})
