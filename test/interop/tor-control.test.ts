import { execFileSync } from 'node:child_process'
import { chmod, readFile, unlink, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { login } from '../../src/tor/control/authenticate.ts'
import { TorControl } from '../../src/tor/control/tor-control.ts'
import { decodeOnionKey, onionKeyFromSecret } from '../../src/crypto/onion-key.ts'
import { establishOnion, requireTorMode } from '../../src/tor/onion/service.ts'
import type { TorProcess } from './tor-process.ts'
import { eventually, startTor } from './tor-process.ts'

const singleHop = ['SocksPort 0', 'HiddenServiceSingleHopMode 1', 'HiddenServiceNonAnonymousMode 1']
const ports = [{ virtualPort: 5223, target: '127.0.0.1:5223' }]

const tors: TorProcess[] = []
async function tor(lines: readonly string[]): Promise<TorProcess> {
  const started = await startTor(lines)
  tors.push(started)
  return started
}
afterEach(async () => {
  for (const started of tors.splice(0)) await started.stop()
})

function connect({ endpoint }: TorProcess, options: { password?: string } = {}): Promise<TorControl> {
  return eventually(() => TorControl.connect({ endpoint, ...options }))
}

describe('logging in to a real tor', () => {
  it('works by safe cookie and by bare cookie', async () => {
    const { endpoint } = await tor([...singleHop, 'CookieAuthentication 1'])
    for (const methods of [undefined, ['SAFECOOKIE'], ['COOKIE']] as const) {
      const session = await eventually(() => login(methods ? { endpoint, methods } : { endpoint }))
      expect(session.method).toBe(methods?.[0] ?? 'SAFECOOKIE')
      expect(session.info.version).toMatch(/^\d+\.\d+\.\d+/)
      session.connection.close()
    }
  })

  it('works by password, alone or beside the cookie, and without anything', async () => {
    const hash = execFileSync('tor', ['--quiet', '--hash-password', 'gir"affe'], { encoding: 'utf8' }).trim()
    const hashed = await tor([...singleHop, `HashedControlPassword ${hash}`])
    const both = await tor([...singleHop, `HashedControlPassword ${hash}`, 'CookieAuthentication 1'])
    const open = await tor(singleHop)
    for (const [started, password, method] of [
      [hashed, 'gir"affe', 'HASHEDPASSWORD'],
      [both, undefined, 'SAFECOOKIE'],
      [open, undefined, 'NULL'],
    ] as const) {
      const control = await connect(started, password === undefined ? {} : { password })
      expect(control.method).toBe(method)
      expect((await control.getInfo('version')).get('version')).toContain(control.version)
      control.close()
    }
    const wrong = TorControl.connect({ endpoint: hashed.endpoint, password: 'elephant' })
    await expect(wrong).rejects.toMatchObject({ code: 'TOR_AUTH_FAILED' })
    const none = TorControl.connect({ endpoint: hashed.endpoint })
    await expect(none).rejects.toMatchObject({ code: 'TOR_PASSWORD_NEEDED' })
  })

  it('fails with a wrong, a damaged and a missing cookie, each with its own words', async () => {
    const started = await tor([...singleHop, 'CookieAuthentication 1'])
    ;(await connect(started)).close()
    const { endpoint, cookieFile } = started
    const attempt = (): Promise<unknown> => login({ endpoint, cookieGraceMs: 100 })
    await writeFile(cookieFile, Buffer.alloc(32))
    await expect(attempt()).rejects.toMatchObject({ code: 'TOR_AUTH_FAILED' })
    const bare = login({ endpoint, methods: ['COOKIE'], cookieGraceMs: 0 })
    await expect(bare).rejects.toThrow('did not match')
    await writeFile(cookieFile, 'short')
    await expect(attempt()).rejects.toMatchObject({ code: 'TOR_COOKIE_UNREADABLE' })
    await unlink(cookieFile)
    await expect(attempt()).rejects.toMatchObject({ code: 'TOR_COOKIE_MISSING' })
  })

  it('tells what this user may not open from what is not there', async () => {
    const started = await tor([...singleHop, 'CookieAuthentication 1'])
    ;(await connect(started)).close()
    const { endpoint, cookieFile, directory } = started
    await chmod(directory, 0o755)
    await chmod(endpoint.path, 0o666)
    await chmod(cookieFile, 0o600)
    const attempt = (): Promise<unknown> => asSomebodyElse(() => login({ endpoint, cookieGraceMs: 0 }))
    await expect(attempt()).rejects.toMatchObject({
      code: 'TOR_COOKIE_UNREADABLE',
      message: `tor's authentication cookie ${cookieFile} cannot be used: this user may not read it.`,
    })
    await chmod(endpoint.path, 0o600)
    await expect(attempt()).rejects.toMatchObject({ code: 'TOR_CONTROL_DENIED' })
    const path = `${endpoint.path}-none`
    await expect(login({ endpoint: { type: 'unix', path } })).rejects.toMatchObject({ code: 'TOR_CONTROL_ABSENT' })
  })
})

/** Root may open everything, so what others may not is tried as another user. */
async function asSomebodyElse<T>(act: () => Promise<T>): Promise<T> {
  const user = process.geteuid?.() ?? 0
  process.seteuid?.(user === 0 ? 65534 : user)
  try {
    return await act()
  } finally {
    process.seteuid?.(user)
  }
}

describe('a real tor', () => {
  let started: TorProcess
  let control: TorControl
  beforeAll(async () => {
    started = await startTor([...singleHop, 'CookieAuthentication 1'])
    control = await connect(started)
  })
  afterAll(async () => {
    control.close()
    await started.stop()
  })

  it('makes an onion service without a network, and gives the same name for the same key', async () => {
    const made = await establishOnion(control, { key: undefined, ports })
    expect(made).toMatchObject({ isNew: true, wasThere: false })
    expect(await control.onions()).toEqual([made.key.serviceId])
    expect(await establishOnion(control, { key: made.key, ports })).toMatchObject({ isNew: false, wasThere: true })
    expect(await establishOnion(control, { key: made.key, ports, renew: true })).toMatchObject({ wasThere: false })
    await control.delOnion(made.key.serviceId)
    expect(await control.onions()).toEqual([])
    const restored = await establishOnion(control, { key: made.key, ports })
    expect(restored).toEqual({ key: made.key, hostname: made.hostname, isNew: false, wasThere: false })
    await control.delOnion(made.key.serviceId)
    await expect(control.delOnion(made.key.serviceId)).rejects.toMatchObject({ status: 552 })
  })

  it('says 550 about a key that it has', async () => {
    const { key } = await control.addOnion({ ports, flags: ['NonAnonymous', 'Detach'] })
    await expect(control.addOnion({ key, ports, flags: ['NonAnonymous', 'Detach'] })).rejects.toMatchObject({
      status: 550,
    })
  })

  it('lists several services', async () => {
    const before = await control.onions()
    const more = []
    for (let i = 0; i < 3; i += 1) {
      more.push((await control.addOnion({ ports, flags: ['NonAnonymous', 'Detach'] })).serviceId)
    }
    expect((await control.onions()).sort()).toEqual([...before, ...more].sort())
  })

  it('keeps detached services when a connection ends, and only these', async () => {
    const other = await connect(started)
    const detached = await other.addOnion({ ports, flags: ['NonAnonymous', 'Detach'] })
    const bound = await other.addOnion({ ports, flags: ['NonAnonymous'] })
    expect(await other.onions()).toContain(bound.serviceId)
    other.close()
    await expect.poll(() => control.onions()).toContain(detached.serviceId)
    expect(await control.onions()).not.toContain(bound.serviceId)
  })

  it('reads and sets options with blanks and quotes', async () => {
    const agent = 'a "quoted" \\ value'
    await control.setConf({ ContactInfo: agent, MaxCircuitDirtiness: 700 })
    const values = await control.getConf('ContactInfo', 'MaxCircuitDirtiness')
    expect(values.get('maxcircuitdirtiness')).toEqual(['700'])
    expect(values.get('contactinfo')).toEqual([agent])
    await control.resetConf('ContactInfo')
    expect((await control.getConf('ContactInfo')).get('contactinfo')).toEqual([])
    await expect(control.setConf({ Bogus: 1 })).rejects.toMatchObject({ status: 552 })
  })

  it('answers many commands in their order', async () => {
    const asked = Array.from({ length: 60 }, (_, i) => (i % 2 === 0 ? 'version' : 'process/pid'))
    const answers = await Promise.all(asked.map(async (name) => (await control.getInfo(name)).get(name)))
    answers.forEach((answer, i) => {
      expect(answer).toMatch(i % 2 === 0 ? /^0\./ : /^\d+$/)
    })
  })

  it('says that it is in single-hop mode and where its bootstrap is', async () => {
    await requireTorMode(control, 'single-hop')
    expect(await control.bootstrapPhase()).toMatchObject({ progress: 0, tag: 'starting' })
  })

  it('sends events that were asked for', async () => {
    const seen: string[] = []
    const leave = control.onEvent((event) => seen.push(event.type))
    await control.setEvents(['STATUS_CLIENT', 'STATUS_GENERAL', 'NETWORK_LIVENESS', 'HS_DESC'])
    await control.addOnion({ ports, flags: ['NonAnonymous', 'Detach'] })
    await control.signal('NEWNYM')
    leave()
    expect(seen.filter((type) => type === 'other')).toEqual([])
  })

  it('gives stem the same facts', async () => {
    const script = fileURLToPath(new URL('tor-stem.py', import.meta.url))
    const output = execFileSync('/usr/bin/python3', [script, started.endpoint.path], { encoding: 'utf8' })
    const facts = JSON.parse(output) as { version: string; detached: string[]; bootstrap: string; singleHop: string }
    expect(facts.version.split(' ')[0]).toBe(control.version)
    expect(facts.detached.sort()).toEqual((await control.onions()).sort())
    expect(facts.bootstrap).toContain(`PROGRESS=${(await control.bootstrapPhase()).progress} `)
    expect(facts.singleHop).toBe('1')
  })

  it('ends with the connection that owns it, and all waiting commands fail', async () => {
    const owned = await tor([...singleHop, 'CookieAuthentication 1'])
    const owner = await connect(owned)
    const watcher = await connect(owned)
    await owner.takeOwnership()
    owner.close()
    expect((await watcher.closed).code).toBe('TOR_CONTROL_CLOSED')
    await expect(watcher.getInfo('version')).rejects.toMatchObject({ code: 'TOR_CONTROL_CLOSED' })
  })
})

describe('keys of a HiddenServiceDir', () => {
  it('are taken over with their name, and the other way round', async () => {
    const anonymous = await tor(['SocksPort 0', 'CookieAuthentication 1'])
    const first = await connect(anonymous)
    const directory = `${anonymous.directory}/service`
    await first.setConf({ HiddenServiceDir: directory, HiddenServicePort: '5223 127.0.0.1:5223' })
    const hostname = (await readFile(`${directory}/hostname`, 'utf8')).trim()
    const key = decodeOnionKey(await readFile(`${directory}/hs_ed25519_secret_key`))
    expect(key?.hostname).toBe(hostname)
    const other = await tor([...singleHop, 'CookieAuthentication 1'])
    const second = await connect(other)
    expect((await establishOnion(second, { key, ports })).hostname).toBe(hostname)
    const collision = establishOnion(first, { key, ports })
    await expect(collision).rejects.toMatchObject({ code: 'TOR_NOT_SINGLE_HOP' })
    first.close()
    second.close()
    expect(onionKeyFromSecret(key?.secret ?? Buffer.alloc(0))).toEqual(key)
  })
})
