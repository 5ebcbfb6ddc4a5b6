import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import type { LoginOptions } from '../../../../src/tor/control/authenticate.ts'
import { login, safeCookieControllerHash, safeCookieServerHash } from '../../../../src/tor/control/authenticate.ts'
import { TorControl } from '../../../../src/tor/control/tor-control.ts'
import type { FakeTor } from '../fake-tor.ts'
import { fakeTor } from '../fake-tor.ts'

const cookie = Buffer.from('b978f8560242b568a8864ded82bd9ae8ae7e50b435bd1bee0e0ffc5483b7ae53', 'hex')
const serverNonce = Buffer.from('88FE23FC21235A78765D8FF0C7D24BA4D7F8CBCF3D0C519CFA1984B49850387C', 'hex')

const tors: FakeTor[] = []
afterEach(async () => {
  for (const tor of tors.splice(0)) await tor.stop()
})

interface Manners {
  methods: string
  /** The secret that this tor knows. */
  cookie?: Buffer
  password?: string
  version?: string
}

/** Logs in as tor does: one attempt, and the connection is gone when it fails. */
async function strictTor(manners: Manners): Promise<FakeTor & { cookieFile: string }> {
  let cookieFile = ''
  let expected = ''
  const tor = await fakeTor((line) => {
    const [verb, ...words] = line.split(' ')
    if (verb === 'PROTOCOLINFO') {
      const file = manners.methods.includes('COOKIE') ? ` COOKIEFILE="${cookieFile}"` : ''
      const version = `250-VERSION Tor="${manners.version ?? '0.4.9.11'}"`
      return ['250-PROTOCOLINFO 1', `250-AUTH METHODS=${manners.methods}${file}`, version, '250 OK']
    }
    const known = manners.cookie ?? Buffer.alloc(32)
    if (verb === 'AUTHCHALLENGE') {
      const clientNonce = Buffer.from(words[1] ?? '', 'hex')
      expected = safeCookieControllerHash(known, clientNonce, serverNonce).toString('hex')
      const hash = safeCookieServerHash(known, clientNonce, serverNonce).toString('hex')
      return [`250 AUTHCHALLENGE SERVERHASH=${hash} SERVERNONCE=${serverNonce.toString('hex')}`]
    }
    if (verb !== 'AUTHENTICATE') return ['514 Authentication required.']
    const given = words.join(' ')
    const right =
      manners.methods === 'NULL' ||
      (expected !== '' && given === expected) ||
      (manners.methods === 'COOKIE' && given === known.toString('hex')) ||
      (manners.password !== undefined && given === Buffer.from(manners.password).toString('hex'))
    return right ? ['250 OK'] : ['515 Authentication failed: Wrong length on authentication cookie.']
  })
  tors.push(tor)
  cookieFile = join(tor.directory, 'control.authcookie')
  return Object.assign(tor, { cookieFile })
}

async function faultOf(options: LoginOptions): Promise<unknown> {
  return await login({ cookieGraceMs: 0, ...options }).then(
    ({ connection }) => {
      connection.close()
      return 'let in'
    },
    (error: unknown) => error,
  )
}

describe('SAFECOOKIE', () => {
  it('SAFECOOKIE uses the hashes that a real tor exchanged', () => {
    const clientNonce = Buffer.from('15633CB1413E2D796FB203F94D88B563095B6EF0714DB5F06C4FFF3898D6D46E', 'hex')
    expect(safeCookieServerHash(cookie, clientNonce, serverNonce).toString('hex').toUpperCase()).toBe(
      '54F7FCB448F4D391D32481450B4E222F24DDD63A9F1AC8318B001BC8F0FF23D9',
    )
    expect(safeCookieControllerHash(cookie, clientNonce, serverNonce).toString('hex').toUpperCase()).toBe(
      'F7C24D3F9C1A2793FDA41B1F770C71DEA11DA3D7458CA7C896EDEC86310F3FC1',
    )
  })

  it('SAFECOOKIE is preferred to sending the cookie', async () => {
    const tor = await strictTor({ methods: 'COOKIE,SAFECOOKIE', cookie })
    await writeFile(tor.cookieFile, cookie)
    const { connection, method } = await login({ endpoint: tor.endpoint })
    expect(method).toBe('SAFECOOKIE')
    expect(tor.received.join()).not.toContain(cookie.toString('hex'))
    connection.close()
  })

  it('an impostor gets neither the hash nor the cookie', async () => {
    const tor = await strictTor({ methods: 'COOKIE,SAFECOOKIE', cookie: Buffer.alloc(32, 7) })
    await writeFile(tor.cookieFile, cookie)
    expect(await faultOf({ endpoint: tor.endpoint })).toMatchObject({ code: 'TOR_AUTH_FAILED' })
    expect(tor.received.some((line) => line.startsWith('AUTHENTICATE'))).toBe(false)
  })

  it('an AUTHCHALLENGE reply with wrong sizes is refused', async () => {
    const tor = await fakeTor((line) =>
      line === 'PROTOCOLINFO 1'
        ? [`250-AUTH METHODS=SAFECOOKIE COOKIEFILE="${tor.directory}/c"`, '250-VERSION Tor="1"', '250 OK']
        : ['250 AUTHCHALLENGE SERVERHASH=00 SERVERNONCE=zz'],
    )
    tors.push(tor)
    await writeFile(join(tor.directory, 'c'), cookie)
    expect(await faultOf({ endpoint: tor.endpoint })).toMatchObject({ code: 'TOR_AUTH_FAILED' })
  })
})

describe('logging in', () => {
  it('authentication works without a secret, with the bare cookie and with a password', async () => {
    const open = await strictTor({ methods: 'NULL' })
    const bare = await strictTor({ methods: 'COOKIE', cookie })
    await writeFile(bare.cookieFile, cookie)
    const hashed = await strictTor({ methods: 'HASHEDPASSWORD', password: 'giraffe' })
    for (const [options, expected] of [
      [{ endpoint: open.endpoint }, 'NULL'],
      [{ endpoint: bare.endpoint }, 'COOKIE'],
      [{ endpoint: hashed.endpoint, password: 'giraffe' }, 'HASHEDPASSWORD'],
    ] as const) {
      const { connection, method, info } = await login(options)
      expect(method).toBe(expected)
      expect(info.version).toBe('0.4.9.11')
      connection.close()
    }
  })

  it('authentication waits for a cookie that tor has not written yet', async () => {
    const tor = await strictTor({ methods: 'COOKIE,SAFECOOKIE', cookie })
    const waiting = login({ endpoint: tor.endpoint })
    await expect.poll(() => tor.connections.length).toBeGreaterThan(1)
    await writeFile(tor.cookieFile, '')
    await writeFile(tor.cookieFile, cookie)
    const { connection, method } = await waiting
    expect(method).toBe('SAFECOOKIE')
    connection.close()
  })

  it('authentication waits until the cookie of an earlier tor is replaced', async () => {
    const tor = await strictTor({ methods: 'COOKIE,SAFECOOKIE', cookie })
    await writeFile(tor.cookieFile, Buffer.alloc(32, 1))
    const waiting = login({ endpoint: tor.endpoint })
    await expect.poll(() => tor.connections.length).toBeGreaterThan(1)
    await writeFile(tor.cookieFile, cookie)
    ;(await waiting).connection.close()
  })

  it('authentication uses a password that it was given, and does not look for a cookie', async () => {
    const tor = await strictTor({ methods: 'COOKIE,SAFECOOKIE,HASHEDPASSWORD', cookie, password: 'giraffe' })
    const { connection, method } = await login({ endpoint: tor.endpoint, password: 'giraffe', cookieGraceMs: 0 })
    expect(method).toBe('HASHEDPASSWORD')
    expect(tor.connections.length).toBe(1)
    connection.close()
  })

  it('an authentication error says what is wrong and what to do', async () => {
    const cookies = await strictTor({ methods: 'COOKIE,SAFECOOKIE', cookie })
    expect(await faultOf({ endpoint: cookies.endpoint })).toMatchObject({
      code: 'TOR_COOKIE_MISSING',
      message: `tor's authentication cookie ${cookies.cookieFile} does not exist.`,
    })
    await writeFile(cookies.cookieFile, Buffer.alloc(33))
    expect(await faultOf({ endpoint: cookies.endpoint })).toMatchObject({ code: 'TOR_COOKIE_UNREADABLE' })
    const hashed = await strictTor({ methods: 'HASHEDPASSWORD', password: 'giraffe' })
    expect(await faultOf({ endpoint: hashed.endpoint })).toMatchObject({ code: 'TOR_PASSWORD_NEEDED' })
    expect(await faultOf({ endpoint: hashed.endpoint, password: 'elephant' })).toMatchObject({
      code: 'TOR_AUTH_FAILED',
      message: expect.stringContaining('Wrong length') as string,
    })
    const strange = await strictTor({ methods: 'RETINA' })
    expect(await faultOf({ endpoint: strange.endpoint })).toMatchObject({ code: 'TOR_AUTH_FAILED' })
  })
})

describe('TorControl', () => {
  it('events go to the listeners until they unsubscribe', async () => {
    const tor = await strictTor({ methods: 'NULL' })
    const control = await TorControl.connect({ endpoint: tor.endpoint })
    const seen: string[] = []
    const leave = control.onEvent((event) => seen.push(event.type))
    tor.say('650 NETWORK_LIVENESS UP')
    await expect.poll(() => seen).toEqual(['networkLiveness'])
    leave()
    tor.say('650 NETWORK_LIVENESS UP')
    await expect(control.getInfo('version')).rejects.toMatchObject({ status: 514 })
    expect(seen).toHaveLength(1)
    control.close()
  })
})
