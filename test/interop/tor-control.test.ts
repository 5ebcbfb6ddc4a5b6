import { execFileSync } from 'node:child_process'
import { chmod, readFile, unlink, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { login } from '../../src/tor/control/authenticate.ts'
import { TorControl } from '../../src/tor/control/tor-control.ts'
import { decodeOnionKey, generateOnionKey, onionKeyFromSecret } from '../../src/crypto/onion-key.ts'
import { addService, requireTorType } from '../../src/tor/onion/service.ts'
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

  it('an onion service is added without a network, at the address of its key', async () => {
    const key = generateOnionKey()
    expect(await addService(control, { key, ports })).toEqual({ key, hostname: key.hostname, wasThere: false })
    expect(await control.onions()).toEqual([key.serviceId])
    expect(await addService(control, { key, ports })).toMatchObject({ wasThere: true })
    expect(await addService(control, { key, ports, renew: true })).toMatchObject({ wasThere: false })
    await control.delOnion(key.serviceId)
    expect(await control.onions()).toEqual([])
    await expect(control.delOnion(key.serviceId)).rejects.toMatchObject({ status: 552 })
  })

  it('a key that tor has already is refused with 550', async () => {
    const key = generateOnionKey()
    await control.addOnion({ key, ports, flags: ['NonAnonymous', 'Detach'] })
    await expect(control.addOnion({ key, ports, flags: ['NonAnonymous', 'Detach'] })).rejects.toMatchObject({
      status: 550,
    })
  })

  it('several services are listed', async () => {
    const before = await control.onions()
    const more = []
    for (let i = 0; i < 3; i += 1) {
      more.push(
        (await control.addOnion({ key: generateOnionKey(), ports, flags: ['NonAnonymous', 'Detach'] })).serviceId,
      )
    }
    expect((await control.onions()).sort()).toEqual([...before, ...more].sort())
  })

  it('detached services survive their connection, and only these', async () => {
    const other = await connect(started)
    const detached = await other.addOnion({ key: generateOnionKey(), ports, flags: ['NonAnonymous', 'Detach'] })
    const bound = await other.addOnion({ key: generateOnionKey(), ports, flags: ['NonAnonymous'] })
    expect(await other.onions()).toContain(bound.serviceId)
    other.close()
    await expect.poll(() => control.onions()).toContain(detached.serviceId)
    expect(await control.onions()).not.toContain(bound.serviceId)
  })

  it('options with blanks and quotes are set and read', async () => {
    const agent = 'a "quoted" \\ value'
    await control.setConf({ ContactInfo: agent, MaxCircuitDirtiness: 700 })
    const values = await control.getConf('ContactInfo', 'MaxCircuitDirtiness')
    expect(values.get('maxcircuitdirtiness')).toEqual(['700'])
    expect(values.get('contactinfo')).toEqual([agent])
    await control.resetConf('ContactInfo')
    expect((await control.getConf('ContactInfo')).get('contactinfo')).toEqual([])
    await expect(control.setConf({ Bogus: 1 })).rejects.toMatchObject({ status: 552 })
  })

  it('many commands are answered in order', async () => {
    const asked = Array.from({ length: 60 }, (_, i) => (i % 2 === 0 ? 'version' : 'process/pid'))
    const answers = await Promise.all(asked.map(async (name) => (await control.getInfo(name)).get(name)))
    answers.forEach((answer, i) => {
      expect(answer).toMatch(i % 2 === 0 ? /^0\./ : /^\d+$/)
    })
  })

  it('the service type and the bootstrap phase of a tor are read', async () => {
    await requireTorType(control, 'single-hop')
    expect(await control.bootstrapPhase()).toMatchObject({ progress: 0, tag: 'starting' })
  })

  it('a tor sends the subscribed events', async () => {
    const seen: string[] = []
    const leave = control.onEvent((event) => seen.push(event.type))
    await control.setEvents(['STATUS_CLIENT', 'STATUS_GENERAL', 'NETWORK_LIVENESS', 'HS_DESC'])
    await control.addOnion({ key: generateOnionKey(), ports, flags: ['NonAnonymous', 'Detach'] })
    await control.signal('NEWNYM')
    leave()
    expect(seen.filter((type) => type === 'other')).toEqual([])
  })

  it('stem sees the same facts', async () => {
    const script = fileURLToPath(new URL('tor-stem.py', import.meta.url))
    const output = execFileSync('/usr/bin/python3', [script, started.endpoint.path], { encoding: 'utf8' })
    const facts = JSON.parse(output) as { version: string; detached: string[]; bootstrap: string; singleHop: string }
    expect(facts.version.split(' ')[0]).toBe(control.version)
    expect(facts.detached.sort()).toEqual((await control.onions()).sort())
    expect(facts.bootstrap).toContain(`PROGRESS=${(await control.bootstrapPhase()).progress} `)
    expect(facts.singleHop).toBe('1')
  })

  it('a tor exits with the connection that owns it, and all waiting commands fail', async () => {
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
  it('the key of a HiddenServiceDir gives the same address in another tor', async () => {
    const anonymous = await tor(['SocksPort 0', 'CookieAuthentication 1'])
    const first = await connect(anonymous)
    const directory = `${anonymous.directory}/service`
    await first.setConf({ HiddenServiceDir: directory, HiddenServicePort: '5223 127.0.0.1:5223' })
    const hostname = (await readFile(`${directory}/hostname`, 'utf8')).trim()
    const key = decodeOnionKey(await readFile(`${directory}/hs_ed25519_secret_key`))
    expect(key?.hostname).toBe(hostname)
    const other = await tor([...singleHop, 'CookieAuthentication 1'])
    const second = await connect(other)
    if (!key) throw new Error('tor has written a key')
    expect((await addService(second, { key, ports })).hostname).toBe(hostname)
    const collision = addService(first, { key, ports })
    await expect(collision).rejects.toMatchObject({ code: 'TOR_NOT_SINGLE_HOP' })
    first.close()
    second.close()
    expect(onionKeyFromSecret(key.secret)).toEqual(key)
  })
})
