import { spawn, type ChildProcess } from 'node:child_process'
import { chown, mkdir, mkdtemp, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { projectRoot } from '../project-root.ts'
import { temporaryPostgres } from '../postgres/server.ts'
import { freePort } from './cli-process.ts'
import { outcome, type Outcome } from './debian/command.ts'
import { Mounts } from './debian/mounts.ts'
import { baseSystem, ownCodename, releaseOf } from './debian/release.ts'
import { architecture, builtPackages } from './packages.ts'

/*
 * The container image: built by buildah from the Dockerfile, on a base that debootstrap made, and run as
 * `docker run --read-only` would, with two volumes.
 */

const isRoot = process.geteuid?.() === 0

const UID = 5223
const entrypoint = '/usr/lib/smp-onion/container/entrypoint'

let mounts: Mounts
let root: string
let config: string
let state: string
const running = new Set<ChildProcess>()

describe.skipIf(!isRoot)('the container image (needs root, to build it)', () => {
  beforeAll(async () => {
    mounts = await Mounts.make('smp-container')
    const release = await releaseOf(ownCodename)
    const base = await fromScratch(await baseSystem(release), release)
    const context = join(mounts.root, 'context')
    await mounts.run(['mkdir', '-p', join(context, 'packaging')])
    await mounts.run(['cp', '-r', join(projectRoot, 'packaging/container'), join(context, 'packaging')])
    await mounts.run(['cp', '-r', await builtPackages(), join(context, 'dist-packages')])
    const args = ['--build-arg', `BASE=${base}`, '--build-arg', `ARCH=${architecture}`]
    const dockerfile = join(context, 'packaging/container/Dockerfile')
    await buildah('bud', '--format', 'docker', ...args, '-t', 'relay', '-f', dockerfile, context)
    root = (await buildah('mount', (await buildah('from', 'relay')).trim())).trim()
  }, 600_000)
  afterAll(async () => {
    await mounts.close()
  }, 60_000)

  afterEach(async () => {
    for (const child of running) {
      if (child.exitCode === null && child.signalCode === null) await signalled(child, 'SIGKILL')
    }
    running.clear()
  })

  it('is for user 5223, stops by SIGINT, and asks the relay how it is', async () => {
    const { Docker } = JSON.parse(await buildah('inspect', '--type', 'image', 'relay')) as {
      Docker: { config: { User: string; StopSignal: string; Healthcheck: { Test: string[] } } }
    }
    expect(Docker.config).toMatchObject({ User: '5223:5223', StopSignal: 'SIGINT' })
    expect(Docker.config.Healthcheck.Test).toEqual(['CMD', 'smp-server', 'health'])
  })

  it.each<[string, number, string[], RegExp]>([
    ['without an address', UID, [], /^Please specify \$ADDR environment variable: .*\n$/],
    ['with a host that is none', UID, ['ADDR=relay'], /^ADDR=relay is neither a domain nor an IP address\.\n$/],
    [
      'with a volume of root',
      0,
      ['ADDR=relay.example'],
      /^\/etc\/opt\/simplex belongs to user 0, and the relay runs as user 5223: .* chown -R 5223:5223 .*\n$/,
    ],
    [
      'with two passwords',
      UID,
      ['ADDR=relay.example', 'PASS=a', 'PASS_FILE=/etc/hostname'],
      /^PASS and PASS_FILE are both set: leave one of them\.\n$/,
    ],
    [
      'with a password file that is missing',
      UID,
      ['ADDR=relay.example', 'PASS_FILE=/run/secrets/none'],
      /^PASS_FILE=\/run\/secrets\/none cannot be read by user 5223\.\n$/,
    ],
    [
      'with a setting that is none',
      UID,
      ['ADDR=relay.example', 'SMP_TRANSPORT_PROT=5223'],
      /^SMP_TRANSPORT_PROT names no line of .*smp-server\.ini: .*\n$/,
    ],
    [
      'with a strange word for ONION',
      UID,
      ['ADDR=relay.example', 'ONION=yes'],
      /^ONION=yes: it is own, beside or off\.\n$/,
    ],
  ])('%s it ends with one sentence', async (_name, owner, environment, words) => {
    await volumes(owner)
    const { status, stdout, stderr } = await run([...environment, entrypoint, 'start'])
    expect(stderr).toMatch(words)
    expect(stdout).toBe('')
    expect(status).toBe(1)
  })

  it('names the file of another user in a volume', async () => {
    await volumes()
    await writeFile(join(state, 'stray'), '')
    const { status, stderr } = await run(['ADDR=relay.example', entrypoint, 'start'])
    expect(stderr).toMatch(/^\/var\/opt\/simplex\/stray belongs to user 0, and the relay runs as user 5223: .*\n$/)
    expect(status).toBe(1)
    expect(await readdir(config)).toEqual([])
  })

  it('makes the relay from its environment, runs, is healthy, and goes on with the same identity', async () => {
    await volumes()
    const port = await freePort()
    const environment = ['ADDR=127.0.0.1', 'PASS=secret', 'WEB_MANUAL=1', `SMP_TRANSPORT_PORT=${port}`]
    await start([...environment, 'SMP_STORE_LOG_LOG_STATS=off', entrypoint, 'start'])
    const ini = await readFile(join(config, 'smp-server.ini'), 'utf8')
    expect(ini).toMatch(/^create_password\b.*[:=] ?secret$/m)
    expect(ini).toMatch(/^log_stats = off$/m)
    const health = await run([entrypoint, 'health'])
    expect(health.stdout).toMatch(/^Healthy: /)
    const address = await run([entrypoint, 'address'])
    expect(address.stdout).toMatch(/^smp:\/\/.*@127\.0\.0\.1:\d+\n$/)
    expect(await stop()).toBe(0)
    expect((await run([entrypoint, 'health'])).status).toBe(1)
    await start([entrypoint, 'start'])
    expect((await run([entrypoint, 'address'])).stdout).toBe(address.stdout)
    expect(await stop()).toBe(0)
  }, 60_000)

  it('shows its site to Caddy in the container beside it, with the settings of compose.caddy.yaml', async () => {
    await volumes()
    const compose = await readFile(join(projectRoot, 'packaging/container/compose.caddy.yaml'), 'utf8')
    const settings = new Map([...compose.matchAll(/^ +(SMP_\w+): '(.*)'$/gm)].map(([, name, value]) => [name, value]))
    const port = await freePort()
    settings.set('SMP_WEB_HTTP', `${port}`)
    const environment = ['ADDR=relay.example', 'WEB_MANUAL=1', `SMP_TRANSPORT_PORT=${await freePort()}`]
    await start([...environment, ...[...settings].map(([name, value]) => `${name}=${value}`), entrypoint, 'start'])
    // An address that a server on 127.0.0.1 alone does not have.
    const page = await fetch(`http://127.0.0.2:${port}/`)
    expect(page.status).toBe(200)
    expect(await page.text()).toContain('<title>SimpleX relay')
    expect(await stop()).toBe(0)
  }, 60_000)

  it('keeps its queues in PostgreSQL with the settings of compose.postgres.yaml, and says when that is away', async () => {
    const compose = await readFile(join(projectRoot, 'packaging/container/compose.postgres.yaml'), 'utf8')
    const variables = [...compose.matchAll(/^ +(SMP_\w+|DB_\w+|CONFIRM_\w+): (.*)$/gm)]
    const settings = new Map(variables.map(([, name, value]) => [name, value]))
    const octet = (): number => 1 + Math.floor(Math.random() * 250)
    const host = `127.${octet()}.${octet()}.2`
    const password = 'a:b\\c'
    const server = await temporaryPostgres({
      settings: [`listen_addresses = '${host}'`],
      access: ['local all all trust', 'host all all 127.0.0.0/8 scram-sha-256'],
    })
    await server.query(`CREATE ROLE smp LOGIN PASSWORD '${password}'`)
    await server.query('CREATE DATABASE smp_server_store OWNER smp')
    await volumes()
    await writeFile(join(config, 'db-password'), `${password}\n`, { mode: 0o400 })
    await chown(join(config, 'db-password'), UID, UID)
    settings.set('DB_PASSWORD_FILE', '/etc/opt/simplex/db-password')
    const connection = settings.get('SMP_STORE_LOG_DB_CONNECTION')?.replace('@database/', `@${host}/`)
    settings.set('SMP_STORE_LOG_DB_CONNECTION', connection)
    const words = [
      ...['ADDR=127.0.0.1', 'WEB_MANUAL=1', `SMP_TRANSPORT_PORT=${await freePort()}`],
      ...[...settings].map(([name, value]) => `${name}=${value}`),
    ]
    try {
      const log = await start([...words, entrypoint, 'start'])
      expect(log()).toContain('Store: PostgreSQL, schema smp_server')
      expect(await stop()).toBe(0)
      expect((await stat(join(config, 'pgpass'))).mode & 0o777).toBe(0o600)
    } finally {
      await server.remove()
    }
    const away = await run([...words, entrypoint, 'start'])
    expect([away.status, away.stdout]).toEqual([1, expect.stringMatching(/^Error: PostgreSQL .*127\./m)])
    const secret = await run([...words, 'DB_PASSWORD_FILE=/run/none', entrypoint, 'start'])
    expect(secret.stderr).toMatch(/^DB_PASSWORD_FILE=\/run\/none cannot be read by user 5223: .*\n$/)
  }, 90_000)

  it('has an onion service of its own with ONION=own', async () => {
    await volumes()
    await writeFile(join(config, 'torrc-extra'), 'DisableNetwork 1\n')
    await chown(join(config, 'torrc-extra'), UID, UID)
    const environment = ['ADDR=127.0.0.1', 'WEB_MANUAL=1', `SMP_TRANSPORT_PORT=${await freePort()}`]
    const log = await start([
      ...environment,
      'ONION=own',
      'TORRC_EXTRA=/etc/opt/simplex/torrc-extra',
      entrypoint,
      'start',
    ])
    expect(log()).toMatch(/^Server address: smp:\/\/.*[a-z2-7]{56}\.onion/m)
    await expect.poll(log, { timeout: 20_000 }).toContain('onion service: waiting for the network')
    expect(await stop()).toBe(0)
  }, 90_000)

  it('has an onion service with the tor of another container with ONION=beside', async () => {
    await volumes()
    // What both see here is the volume of the relay.
    const run = '/var/opt/simplex/run'
    const environment = ['ADDR=127.0.0.1', 'WEB_MANUAL=1', `SMP_TRANSPORT_PORT=${await freePort()}`]
    const words = [...environment, 'ONION=beside', `SMP_TOR_CONTROL=${run}/control`, entrypoint, 'start']
    const log = await start(words)
    const [, address] = /^Server address: (smp:.*,[a-z2-7]{56}\.onion:\d+)$/m.exec(log()) ?? []
    expect(address).toBeDefined()
    await expect.poll(log, { timeout: 20_000 }).toContain('onion service: waiting for tor')
    await mkdir(join(state, 'run'), { mode: 0o700 })
    await chown(join(state, 'run'), UID, UID)
    const compose = await readFile(join(projectRoot, 'packaging/container/compose.tor.yaml'), 'utf8')
    const tor = /^ +entrypoint: \[(.*)\]$/m.exec(compose)?.[1]?.split(', ') ?? []
    const places = ['--DataDirectory', `${run}/data`, '--ControlSocket', `${run}/control`]
    places.push('--CookieAuthFile', `${run}/control.authcookie`, '--DisableNetwork', '1')
    const torProcess = spawn('env', container([...tor, ...places]), { stdio: 'ignore' })
    try {
      await expect.poll(log, { timeout: 30_000 }).toContain('onion service: waiting for the network')
      expect(await stop()).toBe(0)
      const again = await start(words)
      expect(again()).toContain(address)
      expect(await stop()).toBe(0)
    } finally {
      await signalled(torProcess, 'SIGTERM')
    }
  }, 90_000)
})

async function buildah(...words: readonly string[]): Promise<string> {
  const places = ['--root', join(mounts.root, 'storage'), '--runroot', join(mounts.root, 'run')]
  return await mounts.run([
    'env',
    'BUILDAH_ISOLATION=chroot',
    'buildah',
    ...places,
    '--storage-driver',
    'vfs',
    ...words,
  ])
}

/** The base of the image. @returns its name */
async function fromScratch(
  tar: string,
  { sources, components }: Awaited<ReturnType<typeof releaseOf>>,
): Promise<string> {
  const place = join(mounts.directory, 'base')
  await mkdir(place)
  const lines = sources.map(({ uri, suite }) => `deb ${uri} ${suite} ${components}\n`)
  await writeFile(join(place, 'sources.list'), lines.join(''))
  await writeFile(join(place, 'Dockerfile'), 'FROM scratch\nADD base.tar /\nCOPY sources.list /etc/apt/sources.list\n')
  await mounts.run(['cp', '-r', place, mounts.root])
  await mounts.run(['cp', tar, join(mounts.root, 'base/base.tar')])
  await buildah('bud', '-t', 'localhost/base', join(mounts.root, 'base'))
  return 'localhost/base'
}

async function volumes(owner = UID): Promise<void> {
  const place = await mkdtemp(join(mounts.directory, 'volumes-'))
  config = join(place, 'config')
  state = join(place, 'state')
  for (const path of [config, state]) {
    await mkdir(path, { mode: 0o700 })
    await chown(path, owner, owner)
  }
}

const container = (words: readonly string[]): string[] =>
  mounts.entering([
    ...['unshare', '--mount', '--pid', '--fork', '--kill-child', join(import.meta.dirname, 'debian/container.sh')],
    ...[root, config, state, ...words],
  ])

async function run(words: readonly string[]): Promise<Outcome> {
  return await outcome('env', container(words))
}

/** Runs it until it listens. @returns what it has printed so far */
async function start(words: readonly string[]): Promise<() => string> {
  const child = spawn('env', container(words), { stdio: ['ignore', 'pipe', 'pipe'] })
  running.add(child)
  let text = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (part: string) => (text += part))
  await expect.poll(() => `${text}${child.exitCode ?? ''}`, { timeout: 40_000 }).toContain('Listening on port')
  return () => text
}

/** As `docker stop` does. @returns the exit status */
async function stop(): Promise<number | null> {
  const [child] = running
  if (!child) throw new Error('nothing runs')
  running.delete(child)
  return await signalled(child, 'SIGINT')
}

/** Sends a signal to the first process of a container. @returns its exit status */
async function signalled(child: ChildProcess, signal: NodeJS.Signals): Promise<number | null> {
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve))
  // It is started by unshare, and that by nsenter.
  process.kill(await childOf(await childOf(child.pid ?? 0)), signal)
  return await ended
}

async function childOf(pid: number): Promise<number> {
  const [first = ''] = (await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')).split(' ')
  return Number(first)
}
