import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join, resolve } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { silentLogger, type Logger } from '../../src/config/log.ts'
import { openControlPort, type ControlPortOptions } from '../../src/server/control-port/control-port.ts'
import { today } from '../../src/server/core.ts'
import { StoreError } from '../../src/store/store.ts'
import type { LineServer } from '../../src/transport/line-server.ts'
import { createServiceCertificate } from '../client/certificates.ts'
import { ControlClient } from './control-client.ts'
import { countsOf, isEmbedded } from './inside.ts'
import { auth, err, ok } from './setting.ts'
import { until, withTunedRelay } from './tuned.ts'

const passwords = { admin: 'the-admin-password', user: 'the-user-password' }
const none = Buffer.alloc(0)
const DAY = 86_400

const setting = withTunedRelay()
let port: LineServer
let logged: string[]
const clients = new Set<ControlClient>()

const open = async (options: Partial<ControlPortOptions> = {}): Promise<LineServer | undefined> => {
  const note = (level: keyof Logger) => (message: string, fields?: object) => {
    logged.push(`${level} ${message} ${JSON.stringify(fields ?? {})}`)
  }
  const log: Logger = { ...silentLogger, info: note('info'), warn: note('warn'), error: note('error') }
  const { core, ...relay } = setting.serving
  const defaults = { port: 0, passwords, dailyBlockQuota: 20, refusalDelayMs: 0 }
  return openControlPort({ ...relay, core: { ...core, log } }, { ...defaults, ...options })
}

const reopen = async (options: Partial<ControlPortOptions>): Promise<void> => {
  await port.close()
  const opened = await open(options)
  if (!opened) throw new Error('no control port')
  port = opened
}

const stranger = async (greeted = true): Promise<ControlClient> => {
  const client = await ControlClient.connect(port.port, { greeted })
  clients.add(client)
  return client
}

const operator = async (role: keyof typeof passwords = 'admin'): Promise<ControlClient> => {
  const client = await stranger()
  await client.ask(`auth ${passwords[role]}`)
  return client
}

const idText = (id: Buffer): string => id.toString('base64url')

beforeEach(async () => {
  logged = []
  const opened = await open()
  if (!opened) throw new Error('no control port')
  port = opened
})
afterEach(async () => {
  for (const client of clients) client.close()
  clients.clear()
  await port.close()
})

describe('the control port', () => {
  it('greets, helps, ignores empty lines, and closes after quit with everything said', async () => {
    const client = await stranger(false)
    client.send('\r\nhelp\r\n\nquit\nhelp\n')
    expect(await client.rest()).toBe(
      "SMP server control port\n'help' for supported commands\n" +
        'commands: stats, stats-rts, clients, sockets, socket-threads, threads, server-info, delete, save, help, quit\n',
    )
  })

  it('gives the role of the password, once', async () => {
    const client = await stranger()
    expect(await client.ask('auth wrong')).toEqual(['Current role is CPRNone'])
    expect(await client.ask(`auth ${passwords.user}`)).toEqual(['Current role is CPRUser'])
    expect(await client.ask(`auth ${passwords.user}`)).toEqual(['Current role is CPRUser'])
    const kept = ['Current role is CPRUser, start new session to change.']
    expect(await client.ask(`auth ${passwords.admin}`)).toEqual(kept)
    expect(await client.ask('auth wrong')).toEqual(kept)
    expect(await (await stranger()).ask(`auth ${passwords.admin}\r`)).toEqual(['Current role is CPRAdmin'])
  })

  it('lets nobody in when no password is set, and says so in the log', async () => {
    await reopen({ passwords: { admin: undefined, user: '' } })
    const client = await stranger()
    for (const password of ['', ' ', 'undefined', passwords.admin]) await client.ask(`auth ${password}`)
    expect(await client.ask('stats')).toEqual(['AUTH'])
    expect(logged.join()).toContain('set control_port_admin_password, control_port_user_password or both')
  })

  it('makes who guesses a password wait', async () => {
    await reopen({ refusalDelayMs: 200 })
    const client = await stranger()
    const began = performance.now()
    expect(await client.ask('auth wrong')).toEqual(['Current role is CPRNone'])
    expect(performance.now() - began).toBeGreaterThan(195)
  })

  it('understands half lines, many lines at once, and a last line without an end', async () => {
    const client = await stranger()
    client.send('auth ')
    await new Promise((resolve) => setTimeout(resolve, 20))
    client.send(`${passwords.user}\nsuspend\nbad`)
    expect(await client.lines(2)).toEqual(['Current role is CPRUser', 'AUTH'])
    client.send('cmd\nstatus AAAA')
    client.socket.end()
    expect(await client.rest()).toBe('error: Failed reading: bad ControlProtocol command\nerror: AUTH\n')
  })

  it('closes a connection that sends too long a line, and not before answering what came before', async () => {
    const client = await stranger()
    client.send(`suspend\nauth ${'x'.repeat(1020)}\nhelp\n`)
    expect(await client.rest()).toBe('AUTH\nerror: a line has at most 1024 bytes\n')
    const endless = await stranger()
    endless.send('x'.repeat(100_000))
    expect(await endless.rest()).toBe('error: a line has at most 1024 bytes\n')
  })

  it('a 17th connection replaces the oldest one that has not logged in', async () => {
    const all = [await operator()]
    for (let count = 1; count < 16; count++) all.push(await stranger())
    const next = await stranger()
    expect(await all[1]?.rest()).toBe('error: too many connections\n')
    expect(await next.ask('suspend')).toEqual(['AUTH'])
    expect(await all[0]?.ask('suspend')).toEqual(['suspend not implemented'])
  })

  it('outlives connections that break off, or do not read', async () => {
    const client = await setting.connect()
    for (let count = 0; count < 8; count++) {
      const breaking = await operator()
      breaking.send('stats\nserver-info\nthreads\nsta')
      breaking.socket.resetAndDestroy()
    }
    const deaf = await operator()
    deaf.socket.pause()
    deaf.send('stats\n'.repeat(20_000))
    const other = await operator()
    expect(await other.ask('resume')).toEqual(['resume not implemented'])
    expect(await client.ping()).toEqual({ type: 'PONG' })
    await port.close()
    expect(await other.rest()).toBe('')
  })

  it('that is in use is told with a remedy, and the relay serves without', async () => {
    const other = createServer()
    await new Promise<void>((done) => other.listen(0, '127.0.0.1', done))
    const address = other.address()
    const taken = address !== null && typeof address === 'object' ? address.port : 0
    expect(await open({ port: taken })).toBe(undefined)
    await new Promise((done) => other.close(done))
    expect(logged.join('\n')).toMatch(
      new RegExp(
        `warn Control port not opened\\. Cannot listen on port ${taken} of 127\\.0\\.0\\.1: it is in use by .* choose another \`control_port\``,
      ),
    )
    expect(await (await setting.connect()).ping()).toEqual({ type: 'PONG' })
  })

  it('logs words, and neither ids nor passwords', async () => {
    const client = await operator()
    const queue = await (await setting.connect()).createQueue()
    const id = idText(queue.sndId)
    logged = []
    await client.ask(`status ${id}`)
    await client.ask(`block ${id} reason=spam`)
    await client.ask(`unblock ${id}`)
    await client.ask(`delete ${id}`)
    await client.ask('stats')
    await client.ask(passwords.admin)
    await client.ask('\nhelp')
    await (await stranger()).ask('auth wrong-password')
    await (await stranger()).ask('save')
    expect(logged).toEqual([
      'warn ControlPort: status {}',
      'warn ControlPort: block {}',
      'warn ControlPort: unblock {}',
      'warn ControlPort: delete {}',
      'warn ControlPort: stats {}',
      'warn ControlPort: wrong password {}',
      'warn ControlPort: save {}',
      'error Unauthorized control port command {}',
    ])
  })
})

describe('each role', () => {
  const any = ['help', 'stats-rts', '']
  const user = ['stats', 'sockets', 'server-info', 'status AAAA', 'block AAAA reason=spam', 'unblock AAAA']
  const admin = ['clients', 'threads', 'socket-threads', 'delete AAAA', 'save', 'suspend', 'resume']

  it.each([
    ['none', [...user, ...admin]],
    ['user', admin],
    ['admin', []],
  ] as const)('%s is refused what is not its own, and nothing else', async (role, refused) => {
    const client = role === 'none' ? await stranger() : await operator(role)
    for (const command of [...any, ...user, ...admin]) {
      const answer = await client.ask(command)
      if ((refused as readonly string[]).includes(command)) expect(answer).toEqual(['AUTH'])
      else expect(answer).not.toContain('AUTH')
    }
  })
})

describe('a conversation', () => {
  const samples = resolve(import.meta.dirname, '../samples/printed')
  const masked = (line: string): string =>
    line
      .replace(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)? UTC/, 'TIME')
      .replace(/\d+(?! messages)/g, 'N')
      .replace(/\b2: N/, '2: N')

  /** Commands with their answers, without the greeting. */
  const exchanges = (name: string): { command: string; answer: string[] }[] => {
    const [, ...parts] = readFileSync(join(samples, name), 'utf8').split(/^> /m)
    return parts.map((part) => {
      const [command = '', ...answer] = part.trimEnd().split('\n')
      return { command, answer }
    })
  }

  it.each([
    ['control-port-admin.txt', 'admin', 3],
    ['control-port-admin2.txt', 'admin', 14],
    ['control-port-user.txt', 'user', 11],
  ] as const)('with another server is had with this one: %s', async (name, role, compared) => {
    const owner = await setting.connect()
    const messaging = await owner.createQueue({ subscribe: false, mode: 'messaging' })
    const contact = await owner.createQueue({ subscribe: false, mode: 'contact' })
    await owner.close()
    await until('the client is gone', () => setting.serving.sessions.size === 0)
    const ids = new Map([
      ['kTcdJRCuBvSgW1rVuSwriKg8H-FNhsWv', idText(messaging.sndId)],
      ['5ebknrFrBUdCNA0vUwaULYXV5GE71FtM', idText(contact.sndId)],
    ])
    if (name === 'control-port-admin2.txt') {
      await (await operator()).ask(`block ${idText(messaging.sndId)} reason=spam`)
    }
    const client = await stranger()
    let count = 0
    for (const { command, answer } of exchanges(name)) {
      const [verb = '', argument = '', ...rest] = command.split(' ')
      if (verb === 'auth') {
        const given = argument.length > 10 ? passwords[role] : argument
        expect(await client.ask(`auth ${given}`)).toEqual(answer)
        continue
      }
      if (verb === 'quit') {
        client.send('quit\n')
        expect(await client.rest()).toBe('')
        continue
      }
      const said = await client.ask([verb, ids.get(argument) ?? argument, ...rest].join(' ').trim())
      // The recording of these ended too early, or they are the runtime's own.
      if (['stats-rts', 'threads'].includes(verb) || (answer.length === 0 && verb !== 'socket-threads')) continue
      expect(said.map(masked)).toEqual(answer.map(masked))
      count++
    }
    expect(count).toBe(compared)
  })

  it('shows threads in the form of another server', async () => {
    const lines = await (await operator()).ask('threads')
    const form = /^(Threads: \d+|ThreadId \d+ \((ThreadRunning|ThreadFinished|ThreadBlocked( \w+)?)\) .*)$/
    const other = exchanges('control-port-admin2.txt').find(({ command }) => command === 'threads')?.answer ?? []
    expect(other.length).toBeGreaterThan(10)
    for (const line of [...other, ...lines]) expect(line).toMatch(form)
    expect(lines).toContainEqual(expect.stringContaining(`ThreadId ${process.pid} (`))
  })
})

describe('an operator', () => {
  it('sees the connections of each port, and the clients on them', async () => {
    const [one, two] = [await setting.connect(), await setting.connect()]
    await one.createQueue()
    await one.createQueue({ subscribe: false })
    setting.advance(5)
    await two.ping()
    const client = await operator()
    const relayPort = setting.serving.listeners[0]?.port ?? 0
    const { accepted, closed } = setting.serving.listeners[0]?.counts ?? { accepted: 0, closed: 0 }
    expect(await client.ask('sockets')).toEqual([
      `Sockets for port ${relayPort}:`,
      `accepted: ${accepted}`,
      `closed: ${closed}`,
      'active: 2',
      `leaked: ${accepted - closed - 2}`,
    ])
    const [header, ...rows] = await client.ask('clients')
    expect(header).toBe('clientId,sessionId,connected,createdAt,rcvActiveAt,sndActiveAt,age,subscriptions')
    const byId = new Map(rows.map((row) => row.split(',')).map((fields) => [fields[1], fields]))
    const [first, second] = [one, two].map(({ session }) => byId.get(session.hello.sessionId.toString('base64')) ?? [])
    expect(rows).toHaveLength(2)
    expect(first?.slice(2)).toEqual(['True', first?.[3], first?.[4], first?.[5], first?.[6], '1'])
    expect(Number(first?.[6])).toBeGreaterThanOrEqual(5)
    expect(Number(second?.[4]) - Number(second?.[3])).toBeGreaterThanOrEqual(5)
    expect(Number(second?.[5]) - Number(second?.[3])).toBeGreaterThanOrEqual(5)
    expect(second?.[7]).toBe('0')
    const threads = await client.ask('socket-threads')
    const ids = [first?.[0], second?.[0]]
    expect(threads).toEqual(ids.map((id) => `${relayPort},${id},ThreadId ${process.pid},ThreadRunning,`))
  })

  it('sees how many are subscribed, and how', async () => {
    const service = { certificate: createServiceCertificate(), role: 'messaging' as const }
    const [one, two, three] = [await setting.connect(), await setting.connect(), await setting.connect({ service })]
    const queue = await one.createQueue()
    await one.createQueue()
    const polled = await two.createQueue({ subscribe: false })
    await two.get(polled)
    const notifier = await one.nkey(queue)
    await two.nsub(notifier)
    await three.createQueue()
    const lines = await (await operator()).ask('server-info')
    const values = new Map(lines.map((line) => line.split(/: (?=[^:]*$)/) as [string, string]))
    expect(Number(values.get('Threads'))).toBeGreaterThan(1)
    expect(Object.fromEntries([...values].slice(1))).toMatchObject({
      Clients: '3',
      'Client queues (rcvQ, sndQ, msgQ)': '(0,0,0)',
      'SMP subscriptions (via clients)': '4',
      'SMP subscriptions (by group: NoSub, SubPending, SubThread, ProhibitSub)': '(3,0,0,1)',
      'SMP subscribed clients (via clients)': '3',
      'Ntf subscriptions (via clients)': '1',
      'SMP subscriptions': '2',
      'SMP subscribed clients': '2',
      'SMP subscribed clients count 2': '2',
      'Ntf subscriptions': '1',
    })
    const twoId = [...setting.serving.sessions].find(({ notifiers }) => notifiers.size > 0)?.id
    expect(values.get('Ntf subscribed clients')).toBe(`1 [${twoId}]`)
    expect(values.get('Ntf subscribed clients count 2')).toBe(`1 fromList [${twoId}]`)
    expect(await (await operator('user')).ask('server-info')).toHaveLength(8)
  })

  it('sees what was counted', async () => {
    const client = await setting.connect()
    const queue = await client.createQueue()
    const { qCreated, msgSent } = setting.core.stats
    await client.send(queue, 'hello')
    const lines = await (await operator('user')).ask('stats')
    const counts = await countsOf(setting.core)
    expect(lines).toContain(`qCreated: ${qCreated}`)
    expect(lines).toContain(`msgSent: ${msgSent + 1}`)
    expect(lines).toContain(`qCount: ${counts.queues}`)
    expect(lines).toContain(`msgCount: ${counts.messages}`)
  })

  it('blocks a queue: its subscriber is told at once, senders are refused, and all is well after unblock', async () => {
    const [recipient, sender] = [await setting.connect(), await setting.connect()]
    const queue = await recipient.createQueue({ mode: 'messaging' })
    const client = await operator('user')
    const id = idText(queue.sndId)
    const blocked = 'EntityBlocked (BlockingInfo {reason = BRSpam, notice = Just (ClientNotice {ttl = Just 86400})})'
    expect(await client.ask(`block ${id} reason=spam,notice={"ttl":86400}`)).toEqual([`ok, queue blocked: ${blocked}`])
    const error = err('BLOCKED reason=spam,notice={"ttl":86400}')
    expect(await recipient.nextEvent(500)).toEqual({ corrId: none, entityId: queue.rcvId, reply: error })
    expect(await sender.send(queue, 'hello')).toEqual(error)
    const day = `Just (RoundedSystemTime {roundedSeconds = ${today(setting.core)}})`
    expect(await client.ask(`status ${id}`)).toEqual([
      `status: ${blocked}, updatedAt: ${day}, queueMode: Just QMMessaging`,
    ])
    expect(await client.ask(`block ${id} reason=spam,notice={"ttl":86400}`)).toEqual([
      `ok, already inactive: ${blocked}`,
    ])
    expect(await client.ask(`block ${id} reason=content`)).toEqual([
      'ok, already inactive: EntityBlocked (BlockingInfo {reason = BRContent, notice = Nothing})',
    ])
    expect(await client.ask(`unblock ${id}`)).toEqual([
      'ok, queue unblocked, reason to block was: BlockingInfo {reason = BRContent, notice = Nothing}',
    ])
    expect(await client.ask(`unblock ${id}`)).toEqual(['ok, queue was active'])
    expect(await sender.send(queue, 'hello')).toEqual(ok)
  })

  it('leaves a queue off that its owner switched off', async () => {
    const owner = await setting.connect()
    const queue = await owner.createQueue({ subscribe: false })
    await owner.off(queue)
    const client = await operator()
    expect(await client.ask(`block ${idText(queue.sndId)} reason=spam`)).toEqual(['ok, already inactive: EntityOff'])
    expect(await client.ask(`unblock ${idText(queue.sndId)}`)).toEqual(['error, queue is inactive'])
    expect(await client.ask(`status ${idText(queue.sndId)}`)).toEqual([expect.stringMatching(/^status: EntityOff, /)])
  })

  it('finds a queue by its link id too, and no other by any other id', async () => {
    const owner = await setting.connect()
    const queue = await owner.createQueue({ subscribe: false, mode: 'contact' })
    const linkId = randomBytes(24)
    await owner.lset(queue, linkId, none, none)
    const client = await operator()
    expect(await client.ask(`status ${linkId.toString('base64url')}`)).toEqual([
      expect.stringMatching(/^status: EntityActive, .* queueMode: Just QMContact$/),
    ])
    for (const id of [idText(queue.rcvId), idText(randomBytes(24)), 'AA', 'AAAA', idText(randomBytes(255))]) {
      for (const command of [`status ${id}`, `delete ${id}`, `unblock ${id}`, `block ${id} reason=spam`]) {
        expect(await client.ask(command)).toEqual(['error: AUTH'])
      }
    }
    expect(await client.ask(`delete ${linkId.toString('base64url')}`)).toEqual(['ok, 0 messages deleted'])
  })

  it('deletes a queue with its messages: who received from it is told, and nobody finds it any more', async () => {
    const [recipient, sender, notified] = [await setting.connect(), await setting.connect(), await setting.connect()]
    const queue = await recipient.createQueue()
    const notifier = await recipient.nkey(queue)
    await notified.nsub(notifier)
    await sender.send(queue, 'one')
    await sender.send(queue, 'two')
    await recipient.receive(queue)
    const { qDeletedAll } = setting.core.stats
    const { messages } = await countsOf(setting.core)
    expect(await (await operator()).ask(`delete ${idText(queue.sndId)}`)).toEqual(['ok, 2 messages deleted'])
    expect((await recipient.nextEvent(500)).reply).toEqual({ type: 'DELD' })
    expect((await notified.nextEvent(500)).reply).toEqual({ type: 'DELD' })
    expect(await sender.send(queue, 'three')).toEqual(auth)
    expect(await recipient.sub(queue)).toEqual(auth)
    expect(setting.core.stats.qDeletedAll).toBe(qDeletedAll + 1)
    expect((await countsOf(setting.core)).messages).toBe(messages - 2)
  })

  it.runIf(isEmbedded)(
    'hears "ok" only after the store has made it durable, and an error when it cannot (needs an embedded store)',
    async () => {
      const owner = await setting.connect()
      const queues = [await owner.createQueue({ subscribe: false }), await owner.createQueue({ subscribe: false })]
      const client = await operator()
      const { engine: store } = setting.core
      if (store.loads) throw new Error('this is about an embedded store')
      const [flushed, committed] = [store.flushed.bind(store), store.committed.bind(store)]
      let flushes: ((error?: Error) => void)[] = []
      store.flushed = store.committed = () =>
        new Promise((resolve, reject) => flushes.push((error) => (error === undefined ? resolve() : reject(error))))
      try {
        for (const command of [
          'block ID reason=spam',
          'block ID reason=spam',
          'unblock ID',
          'unblock ID',
          'delete ID',
        ]) {
          const [queue] = queues
          let answer: string[] | undefined
          const asked = client
            .ask(command.replace('ID', idText(queue?.sndId ?? none)))
            .then((lines) => (answer = lines))
          await until('the store is asked', () => flushes.length === 1)
          await new Promise((resolve) => setTimeout(resolve, 20))
          expect(answer).toBe(undefined)
          flushes.pop()?.()
          expect((await asked)[0]).toMatch(/^ok, /)
        }
        const refused = client.ask(`delete ${idText(queues[1]?.sndId ?? none)}`)
        await until('the store is asked', () => flushes.length === 1)
        flushes.pop()?.(new StoreError('the disk is full'))
        expect(await refused).toEqual(['error: nothing was changed: the disk is full'])
        const saved = client.ask('save')
        await until('the store is asked', () => flushes.length === 1)
        flushes.pop()?.()
        expect(await saved).toEqual(['saving server state...', 'server state saved!'])
      } finally {
        flushes = []
        Object.assign(store, { flushed, committed })
      }
    },
  )
})

describe('the daily number of blocked queues', () => {
  const blockNew = async (client: ControlClient): Promise<string> => {
    const owner = await setting.connect()
    const queue = await owner.createQueue({ subscribe: false })
    return (await client.ask(`block ${idText(queue.sndId)} reason=spam`))[0] ?? ''
  }

  it('is limited, over all connections, until 00:00 UTC', async () => {
    await reopen({ dailyBlockQuota: 2 })
    const [one, two] = [await operator('user'), await operator('admin')]
    expect(await blockNew(one)).toMatch(/^ok, queue blocked/)
    expect(await one.ask('block AAAA reason=spam')).toEqual(['error: AUTH'])
    expect(await blockNew(two)).toMatch(/^ok, queue blocked/)
    for (const client of [one, two]) {
      expect(await blockNew(client)).toBe('error: reached limit of 2 queues blocked daily')
    }
    const midnight = today(setting.core) + DAY
    setting.advance(midnight - Math.floor(setting.core.now() / 1000) - 60)
    expect(await blockNew(one)).toBe('error: reached limit of 2 queues blocked daily')
    setting.advance(60)
    expect(await blockNew(one)).toMatch(/^ok, queue blocked/)
  })

  it('is 20 when the INI file does not say, has no limit with 0, and blocks nothing with -1', async () => {
    const client = await operator('user')
    for (let count = 0; count < 20; count++) expect(await blockNew(client)).toMatch(/^ok, queue blocked/)
    expect(await blockNew(client)).toBe('error: reached limit of 20 queues blocked daily')
    await reopen({ dailyBlockQuota: 0 })
    const free = await operator('user')
    for (let count = 0; count < 22; count++) expect(await blockNew(free)).toMatch(/^ok, queue blocked/)
    await reopen({ dailyBlockQuota: -1 })
    expect(await blockNew(await operator())).toBe('error: reached limit of -1 queues blocked daily')
  })
})
