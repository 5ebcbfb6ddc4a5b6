import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Encrypter } from 'age-encryption'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { iniValue } from '../../src/config/ini.ts'
import { restoreBackup } from '../../src/backup/restore-backup.ts'
import { fileSource } from '../../src/backup/source.ts'
import { AppError } from '../../src/errors/app-error.ts'
import { resolvePaths } from '../../src/config/paths.ts'
import { generateOnionKey } from '../../src/crypto/onion-key.ts'
import { saveOnionKey } from '../../src/tor/onion/key.ts'
import { connectClient } from '../client/client.ts'
import type { RelayAddress } from '../client/connection.ts'
import type { Queue } from '../client/queue.ts'
import { buildProgram, type CommandResult, Installation } from './cli-process.ts'
import { tree } from './tree.ts'
import { projectRoot } from '../project-root.ts'

/*
 * A whole relay in one file, made while it runs, with the age and tar programs of the system. One backup is made, and
 * what is to be refused is made of its content with less work for the guesser, because that takes seconds each time.
 */

const passphrase = 'four words at random'
const directory = mkdtempSync(join(tmpdir(), 'smp-backup-'))
const file = join(directory, 'relay.age')
const words = join(directory, 'passphrase')
/** What the age and tar programs make of the backup. */
const opened = join(directory, 'opened')
/** Where the running relay makes backups by itself, encrypted to a recipient with this secret key. */
const automatic = join(directory, 'automatic')
const identity = join(directory, 'key.txt')
const old = new Installation()
let address: RelayAddress
let hostname: string
let printed: CommandResult
let queue: Queue

beforeAll(async () => {
  await buildProgram()
  writeFileSync(words, `${passphrase}\n`)
  const extra = join(directory, 'torrc-extra')
  writeFileSync(extra, 'DisableNetwork 1\n')
  address = await old.initialize('--no-password', '--ip', '127.0.0.1')
  old.set('TRANSPORT', 'host', '127.0.0.1')
  old.set('WEB', 'https', '')
  expect(old.run(['tor', 'setup', '--own', '-y', '--torrc-extra', extra]).status).toBe(0)
  hostname = old.value('TRANSPORT', 'host')?.split(',')[1] ?? ''
  mkdirSync(automatic)
  const { stderr } = spawnSync('age-keygen', ['-o', identity], { encoding: 'utf8' })
  old.set('BACKUP', 'directory', automatic)
  old.set('BACKUP', 'recipient', /age1\w+/.exec(stderr)?.[0] ?? '')
  writeFileSync(join(old.config, 'smp-server.ini.bak'), 'of no use')
  writeFileSync(join(old.state, 'smp-server-stats.daily.log'), '2026-11-25,1,2,3\n')

  const running = old.start(['start'])
  await running.shows(/Listening on port/)
  const recipient = await connectClient(address)
  queue = await recipient.createQueue({ subscribe: false })
  const sender = await connectClient(address)
  for (let n = 1; n <= 10; n++) expect((await sender.send(queue, `message ${n}`.padEnd(8000, '.'))).type).toBe('OK')
  printed = old.run(['backup', file, '--passphrase-file', words])
  await running.shows(/Backed up to .*: .* 1 queues, 10 messages/)
  // It goes on, and its store has no trace of the copy.
  expect((await sender.send(queue, 'too late')).type).toBe('OK')
  expect(readdirSync(join(old.state, 'smp-server-store')).toSorted()).toEqual(['data.mdb', 'lock.mdb', 'time'])
  running.kill('SIGTERM')
  expect((await running.ended()).status).toBe(0)
  mkdirSync(opened)
  const decrypted = join(directory, 'relay.tar')
  const script = join(import.meta.dirname, 'type-in.py')
  const age = ['age', '-d', '-o', decrypted, file]
  spawnSync('python3', [script, JSON.stringify([['passphrase', passphrase]]), ...age], { timeout: 30_000 })
  spawnSync('tar', ['xf', decrypted, '-C', opened])
})
afterAll(async () => {
  await old.remove()
  rmSync(directory, { recursive: true })
})

let relay: Installation
beforeEach(() => {
  relay = new Installation()
})
afterEach(() => relay.remove())

/** Without a process of its own, where many are to be refused. */
async function refusal(from: string, pass = passphrase): Promise<string> {
  const paths = resolvePaths({ SMP_SERVER_CFG_PATH: relay.config, SMP_SERVER_LOG_PATH: relay.state })
  const error = await restoreBackup({
    paths,
    source: fileSource(from),
    keyFor: () => Promise.resolve({ type: 'passphrase', passphrase: pass }),
    signal: new AbortController().signal,
  }).catch((fault: unknown) => fault)
  if (error instanceof AppError) return error.message
  throw new Error('it was not refused with a sentence', { cause: error })
}

const restore = (from: string, pass = words): CommandResult => relay.run(['restore', from, '--passphrase-file', pass])

describe('a backup of a running relay', () => {
  it('names what is in it, and what a backup is', () => {
    expect(printed).toMatchObject({ status: 0, stderr: '' })
    expect(printed.stdout).toMatch(/\(\d+ bytes, encrypted\): .*, 1 queues and 10 messages\./)
    expect(printed.stdout).toContain(`the onion key of ${hostname}`)
    expect(printed.stdout).toContain('messages received later are not included')
    expect(printed.stdout).toContain(`Not included: ${join(directory, 'torrc-extra')}`)
    expect(statSync(file).mode & 0o777).toBe(0o600)
  })

  it('is a tar file for the age and tar programs, with the files as they are', () => {
    const inside = (folder: string): string[] =>
      readdirSync(join(opened, folder), { recursive: true, encoding: 'utf8' }).toSorted()
    expect(readdirSync(opened).toSorted()).toEqual(['config', 'smp-server-backup.json', 'state'])
    expect(inside('config')).toEqual(
      readdirSync(old.config)
        .filter((name) => !['smp-server.ini.bak', 'onion-setup.json'].includes(name))
        .toSorted(),
    )
    expect(inside('state').filter((name) => !name.endsWith('stats.log'))).toEqual([
      'smp-server-stats.daily.log',
      'smp-server-store',
      'smp-server-store/data.mdb',
    ])
    for (const name of inside('config')) {
      expect(readFileSync(join(opened, 'config', name))).toEqual(readFileSync(join(old.config, name)))
    }
  })

  it('becomes the same relay elsewhere, where its messages wait and the onion name is the same', async () => {
    const { status, stdout, stderr } = restore(file)
    expect([status, stderr]).toEqual([0, ''])
    expect(stdout).toContain(`Server address: ${old.run(['address']).stdout}`)
    expect(stdout).toContain('1 queues and 10 messages')
    expect(stdout).toContain('it must never run in two places')
    expect(stdout).toContain(`publishes ${hostname} by itself`)
    expect(existsSync(join(relay.config, 'ca.key'))).toBe(true)
    expect(iniValue(readFileSync(relay.ini, 'utf8'), 'WEB', 'static_path')).toBe(join(relay.state, 'www'))
    // The second machine needs no more than that.
    expect(relay.run(['tor', 'setup', '--own', '-y']).status).toBe(0)
    expect(iniValue(readFileSync(relay.ini, 'utf8'), 'TRANSPORT', 'host')).toBe(`127.0.0.1,${hostname}`)
    const running = relay.start(['start'])
    await running.shows(/Listening on port/)
    const recipient = await connectClient(address)
    await recipient.sub(queue)
    const bodies: string[] = []
    let message = await recipient.receive(queue)
    for (;;) {
      bodies.push(message.type === 'message' ? message.body.toString() : message.type)
      const reply = await recipient.ack(queue, message.id)
      if (reply.type !== 'MSG') break
      message = recipient.read(queue, reply)
    }
    expect(bodies.map((body) => body.replace(/\.+$/, ''))).toEqual(
      Array.from({ length: 10 }, (_, n) => `message ${n + 1}`),
    )
    running.kill('SIGTERM')
    expect((await running.ended()).status).toBe(0)
  })
})

describe('the backups that a relay makes by itself', () => {
  const made = (): string => {
    const [name = '', ...others] = readdirSync(automatic)
    expect(name).toMatch(/^smp-server-[\w-]{8}-\d{4}-\d\d-\d\dT\d{6}Z\.age$/)
    expect(others).toEqual([])
    return join(automatic, name)
  }
  const piped = (script: string): CommandResult => {
    const { status, stdout, stderr } = spawnSync('bash', ['--norc', '-o', 'pipefail', '-c', script], {
      env: { ...relay.environment, SMP: `${process.execPath} ${join(projectRoot, 'dist/cli/main.js')}` },
      encoding: 'utf8',
      timeout: 60_000,
    })
    return { status, stdout, stderr }
  }

  it('open with the secret key of the recipient, in this program and in age, and only with that', () => {
    expect(statSync(made()).mode & 0o777).toBe(0o600)
    expect(piped(`age -d -i ${identity} ${made()} | tar t`).stdout).toContain('state/smp-server-store/data.mdb')
    const { status, stdout } = relay.run(['backup', 'verify', made(), '--identity-file', identity])
    expect([status, stdout]).toEqual([
      0,
      expect.stringMatching(/ is complete\. .*\nFingerprint: \S+\nOnion address: \S+\nQueues: 1\nMessages: 10\n/),
    ])
    expect(relay.run(['backup', 'verify', made()]).stdout).toContain('Pass the file with the secret key')
    const other = join(relay.root, 'other.txt')
    spawnSync('age-keygen', ['-o', other])
    const refused = relay.run(['restore', made(), '--identity-file', other])
    expect([refused.status, refused.stdout]).toEqual([1, expect.stringContaining('is encrypted to other recipients')])
    expect(readdirSync(relay.root)).toEqual(['other.txt'])
  })

  it('go through pipes into the directories of another machine', () => {
    const files = `--identity-file ${identity}`
    const { status, stdout, stderr } = piped(
      `$SMP backup verify - ${files} <${made()} && cat ${made()} | $SMP restore - ${files}`,
    )
    expect([status, stderr]).toEqual([0, ''])
    expect(stdout).toContain('1 queues and 10 messages')
    expect(relay.run(['address']).stdout).toBe(old.run(['address']).stdout)
    expect(relay.value('WEB', 'static_path')).toBe(join(relay.state, 'www'))
    expect(relay.value('BACKUP', 'directory')).toBe(automatic)
    // Made by hand, a backup goes to the same recipient; what is said about it stays out of the data.
    const again = piped(`$SMP backup - | $SMP backup verify - ${files}`)
    expect([again.status, again.stdout]).toEqual([0, expect.stringContaining('Messages: 10\n')])
    expect(again.stderr).toContain('Backed up to standard output')
    const broken = piped(`$SMP backup - | head -c 1000 >/dev/null`)
    expect([broken.status, broken.stderr]).toEqual([1, expect.stringContaining('Error: Standard output was closed')])
  })

  it('are refused by verify where the store or one byte of the file is damaged', async () => {
    const data = join(opened, 'state/smp-server-store/data.mdb')
    const damaged = readFileSync(data)
    damaged.fill(0x55, Math.floor(damaged.length / 2))
    const given = await changed((folder) => writeFileSync(join(folder, 'state/smp-server-store/data.mdb'), damaged))
    const { status, stdout } = relay.run(['backup', 'verify', given, '--passphrase-file', words])
    expect([status, stdout]).toEqual([1, expect.stringContaining('is damaged')])
    const whole = readFileSync(made())
    whole[whole.length - 100] = (whole[whole.length - 100] ?? 0) ^ 1
    const flipped = join(relay.root, 'flipped.age')
    writeFileSync(flipped, whole)
    expect(relay.run(['backup', 'verify', flipped, '-i', identity]).stdout).toContain(`${flipped} is damaged.`)
    expect(readdirSync('/var/tmp').filter((name) => name.startsWith('smp-server-verify'))).toEqual([])
  })
})

describe('a command that is interrupted', () => {
  it('leaves nothing, be it a backup or a restore', async () => {
    const target = join(relay.root, 'relay.age')
    for (const [from, command] of [
      [old, ['backup', target]],
      [relay, ['restore', file]],
    ] as const) {
      const running = from.start([...command, '--passphrase-file', words])
      const begun = (): boolean =>
        from === old
          ? existsSync(join(old.state, 'smp-server-store/copying'))
          : existsSync(join(relay.state, 'restore-unfinished-state'))
      while (!begun()) await sleep(5)
      running.kill('SIGINT')
      expect(await running.ended()).toEqual({ status: 1, stdout: 'Interrupted. Nothing was changed.\n', stderr: '' })
      expect(readdirSync(relay.root)).toEqual([])
    }
    expect(readdirSync(join(old.state, 'smp-server-store')).toSorted()).toEqual([
      'closed',
      'data.mdb',
      'lock.mdb',
      'time',
    ])
  })
})

describe('a backup is refused', () => {
  it('over a file that is there, and where its directory is not', () => {
    const before = tree(old.root)
    // Both are looked at before anything is done.
    expect(old.run(['backup', words, '--passphrase-file', words]).stdout).toContain(
      `Error: ${words} exists already.\nUse another name.\n`,
    )
    const nowhere = join(directory, 'none/relay.age')
    const { status, stdout } = old.run(['backup', nowhere, '--passphrase-file', words])
    expect([status, stdout]).toEqual([
      1,
      expect.stringContaining(`Error: The directory ${join(directory, 'none')} does not exist.\nCreate it: `),
    ])
    expect(tree(old.root)).toEqual(before)
    expect(relay.run(['backup', file]).stdout).toContain('server is not initialized')
  })

  it('is refused while queues of another SMP server have not been imported', () => {
    relay.run(['init', '-y', '-n', 'a.example'])
    writeFileSync(join(relay.state, 'smp-server-store.log'), 'CREATE one\n'.repeat(2))
    const { status, stdout } = relay.run(['backup', join(directory, 'early.age'), '--passphrase-file', words])
    expect([status, stdout]).toEqual([1, expect.stringContaining('has not been imported yet.\n')])
    expect(existsSync(join(directory, 'early.age'))).toBe(false)
  })

  it('of files that do not belong together', async () => {
    relay.run(['init', '-y', '-n', `a.example,${generateOnionKey().hostname}`])
    const target = join(directory, 'wrong.age')
    await saveOnionKey(join(relay.config, 'onion.key'), generateOnionKey())
    const { status, stdout } = relay.run(['backup', target, '--passphrase-file', words])
    expect([status, stdout]).toEqual([
      1,
      expect.stringMatching(/`host` in .* contains \S+\.onion, and .* is not its key/),
    ])
    expect(existsSync(target)).toBe(false)
  })
})

/** A backup with another content, encrypted with less work. */
async function sealed(content: Uint8Array): Promise<string> {
  const encrypter = new Encrypter()
  encrypter.setPassphrase(passphrase)
  encrypter.setScryptWorkFactor(4)
  const path = join(relay.root, 'given.age')
  writeFileSync(path, await encrypter.encrypt(content))
  return path
}

/** The content of the backup, changed; the label has to come first. */
async function changed(change: (folder: string) => void, more: string[] = []): Promise<string> {
  const folder = mkdtempSync(join(directory, 'changed-'))
  cpSync(opened, folder, { recursive: true })
  change(folder)
  const names = ['smp-server-backup.json', ...filesIn(join(folder, 'config')), ...filesIn(join(folder, 'state'))]
  const there = names.map((name) => (name.startsWith('/') ? name.slice(folder.length + 1) : name))
  const args = ['cf', '-', '--format=ustar', '-P', ...there.filter((name) => existsSync(join(folder, name))), ...more]
  const { stdout, status, stderr } = spawnSync('tar', args, { cwd: folder, maxBuffer: 1 << 28 })
  if (status !== 0) throw new Error(stderr.toString())
  return await sealed(stdout)
}

function filesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map(({ parentPath, name }) => join(parentPath, name))
}

describe('a restore', () => {
  it('of what the tar program made of the same files is one', async () => {
    const { status, stdout } = restore(await changed(() => undefined))
    expect([status, stdout]).toEqual([0, expect.stringContaining('1 queues and 10 messages')])
  })

  it('with another passphrase, of a cut file, and of something else leaves nothing', async () => {
    const given = await changed(() => undefined)
    writeFileSync(join(relay.root, 'other'), 'five words at random\n')
    const { status, stdout } = restore(given, join(relay.root, 'other'))
    expect([status, stdout]).toEqual([
      1,
      expect.stringContaining(`The passphrase does not open ${given}.\nType it again`),
    ])
    const refused = async (): Promise<string> => {
      const message = await refusal(given)
      expect(readdirSync(relay.root).toSorted()).toEqual(['given.age', 'other'])
      return message
    }
    const whole = readFileSync(given)
    for (const length of [1, 30, 150, 300, 70_000, whole.length - 65_552, whole.length - 1]) {
      writeFileSync(given, whole.subarray(0, length))
      expect([length, await refused()]).toEqual([length, `${given} is damaged.`])
    }
    writeFileSync(given, Buffer.concat([whole, Buffer.from('x')]))
    expect(await refused()).toBe(`${given} is damaged.`)
    writeFileSync(given, 'PK\x03\x04')
    expect(await refused()).toBe(`${given} is not an encrypted backup.`)
    await sealed(Buffer.from('something else'))
    expect(await refused()).toContain('ends too early')
    await sealed(Buffer.alloc(2048))
    expect(await refused()).toContain('is empty')
    expect(await refusal(directory)).toContain('is a directory.')
  })

  it('of a manipulated archive leaves nothing, and says what is wrong', async () => {
    const outside = join(relay.root, 'outside')
    const refused = async (given: Promise<string>): Promise<string> => {
      const message = await refusal(await given)
      expect(readdirSync(relay.root)).toEqual(['given.age'])
      expect(existsSync(outside)).toBe(false)
      return message
    }
    const replace =
      (name: string, content: string | Buffer) =>
      (folder: string): void =>
        writeFileSync(join(folder, name), content)
    writeFileSync(join(directory, 'outside'), 'x')
    expect(await refused(changed(() => undefined, ['../outside']))).toContain(
      '"../outside" of 1 bytes, which is no part',
    )
    expect(await refused(changed(() => undefined, [join(directory, 'outside')]))).toContain(
      'which is no part of a relay',
    )
    expect(await refused(changed(() => undefined, ['config/ca.crt']))).toContain('"config/ca.crt"')
    const link = (folder: string): void => {
      rmSync(join(folder, 'config/web.crt'), { force: true })
      symlinkSync('/etc/passwd', join(folder, 'config/web.crt'))
    }
    expect(await refused(changed(link))).toContain('holds a link, "config/web.crt"')
    const lost = (folder: string): void => rmSync(join(folder, 'config/server.key'))
    expect(await refused(changed(lost))).toContain('lacks config/server.key')
    expect(await refused(changed(replace('config/fingerprint', `${'A'.repeat(43)}=\n`)))).toContain(
      'config/fingerprint of',
    )
    const another = new Installation()
    try {
      expect(another.run(['init', '-y', '-n', 'b.example']).status).toBe(0)
      const theirs = (name: string): Buffer => readFileSync(join(another.config, name))
      expect(await refused(changed(replace('config/server.crt', theirs('server.crt'))))).toContain('was not signed by')
      expect(await refused(changed(replace('config/server.key', theirs('server.key'))))).toContain('is not the key of')
      await saveOnionKey(join(another.config, 'onion.key'), generateOnionKey())
      expect(await refused(changed(replace('config/onion.key', theirs('onion.key'))))).toContain(
        `contains ${hostname}, and`,
      )
    } finally {
      await another.remove()
    }
    const store = 'state/smp-server-store/data.mdb'
    expect(await refused(changed(replace(store, Buffer.alloc(20_000, 1))))).toContain(
      `${store} of ${join(relay.root, 'given.age')} is damaged`,
    )
    const label = { format: 2 }
    expect(await refused(changed(replace('smp-server-backup.json', JSON.stringify(label))))).toContain(
      'a newer version',
    )
  })

  it('is refused where something is, with its name, before the passphrase is looked at', () => {
    relay.run(['init', '-y', '-n', 'a.example'])
    const before = tree(relay.root)
    const { status, stdout } = restore(file, join(relay.root, 'no such file'))
    expect([status, stdout]).toEqual([
      1,
      expect.stringMatching(
        /^Error: .*\/etc is not empty: ca\.crt, ca\.key, ca\.srl and \d+ more\.\nA relay is restored/,
      ),
    ])
    expect(tree(relay.root)).toEqual(before)
    rmSync(relay.config, { recursive: true })
    writeFileSync(join(relay.state, 'smp-server-store.log'), 'x')
    expect(restore(file).stdout).toContain('/var is not empty: smp-server-store.log.')
    expect(existsSync(relay.config)).toBe(false)
  })

  it('goes on where one was killed', async () => {
    mkdirSync(join(relay.config, 'restore-unfinished-config'), { recursive: true })
    mkdirSync(relay.state)
    writeFileSync(join(relay.config, 'restore-unfinished-config/ca.key'), 'x')
    expect(restore(await changed(() => undefined)).status).toBe(0)
    expect(readdirSync(relay.config).filter((name) => name.startsWith('restore'))).toEqual([])
    expect(readdirSync(relay.state).filter((name) => name.startsWith('restore'))).toEqual([])
  })
})

describe.skipIf(process.getuid?.() !== 0)('as root (needs root, to mount and to be two users)', () => {
  it('a restore into directories of another user is that user’s, in each file', async () => {
    const nobody = 65534
    const given = await changed(() => undefined)
    chmodSync(relay.root, 0o755)
    for (const path of [relay.config, relay.state]) {
      mkdirSync(path)
      chownSync(path, nobody, nobody)
    }
    expect(restore(given).status).toBe(0)
    const foreign = spawnSync('find', [relay.config, relay.state, '!', '-uid', String(nobody)], { encoding: 'utf8' })
    expect(foreign.stdout).toBe('')
    const open = spawnSync('find', [relay.root, '-name', '*.key', '-perm', '/077'], { encoding: 'utf8' })
    expect(open.stdout).toBe('')
  })

  it('a full disk is a sentence, and leaves nothing there', async () => {
    const given = await changed(() => undefined)
    const small = join(relay.root, 'small')
    mkdirSync(small)
    const mounted = (size: string, at: string, use: () => void): void => {
      expect(spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', at]).status).toBe(0)
      try {
        use()
      } finally {
        spawnSync('umount', [at])
      }
    }
    mounted('64k', small, () => {
      const target = join(small, 'relay.age')
      const { status, stdout } = old.run(['backup', target, '--passphrase-file', words])
      expect([status, stdout]).toEqual([
        1,
        expect.stringMatching(/^Error: The disk of .*\/small has 0 MiB free, and the backup needs 1 MiB\./),
      ])
      expect(readdirSync(small)).toEqual([])
      expect(readdirSync(join(old.state, 'smp-server-store')).toSorted()).toEqual([
        'closed',
        'data.mdb',
        'lock.mdb',
        'time',
      ])
    })
    mkdirSync(relay.state)
    for (const size of ['64k', '8m']) {
      mounted(size, relay.state, () => {
        const { status, stdout } = restore(given)
        expect([status, stdout]).toEqual([
          1,
          expect.stringMatching(
            /^Error: (?:\S+: no space left on the disk|The disk of \S+ has \d+ MiB free; \d+ MiB are needed)\./,
          ),
        ])
        expect(readdirSync(relay.state)).toEqual([])
        expect(existsSync(relay.config)).toBe(false)
      })
    }
    // A directory that is a file system of its own is a target like others.
    mounted('64m', relay.state, () => expect(restore(given).status).toBe(0))
  })

  it('a store on a disk without room is backed up to another one, and is not harmed', () => {
    relay.run(['init', '-y', '-n', 'a.example'])
    expect(spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=20m', 'tmpfs', relay.state]).status).toBe(0)
    try {
      relay.run(['start', '-m'])
      spawnSync('dd', ['if=/dev/zero', `of=${join(relay.state, 'filler')}`, 'bs=64k'], { stdio: 'ignore' })
      // Far less than the store is.
      truncateSync(join(relay.state, 'filler'), statSync(join(relay.state, 'filler')).size - 300_000)
      const { status, stdout } = relay.run(['backup', join(relay.root, 'b.age'), '--passphrase-file', words])
      expect([status, stdout]).toEqual([0, expect.stringContaining('0 queues')])
      rmSync(join(relay.state, 'filler'))
      expect(relay.run(['start', '-m']).status).toBe(0)
    } finally {
      spawnSync('umount', [relay.state])
    }
  })
})
