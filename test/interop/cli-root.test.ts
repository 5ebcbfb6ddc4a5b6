import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { buildProgram, Installation } from './cli-process.ts'

/*
 * What root runs for the relay of another user must not let that user do anything as root: the user plants symbolic
 * links that lead to files of root alone. Needs root, to be two users.
 */

const nobody = 65534

beforeAll(buildProgram)

let relay: Installation
let secrets: string
let secret: string
beforeEach(() => {
  relay = new Installation()
  chmodSync(relay.root, 0o755)
  for (const directory of [relay.config, relay.state]) {
    mkdirSync(directory)
    chownSync(directory, nobody, nobody)
  }
  expect(relay.run(['init', '-y', '-n', 'a.example', '--disable-web'], '', nobody).status).toBe(0)
  secrets = mkdtempSync(join(tmpdir(), 'smp-root-'))
  secret = join(secrets, 'shadow')
  writeFileSync(secret, 'root: a secret\n', { mode: 0o600 })
})
afterEach(async () => {
  await relay.remove()
  rmSync(secrets, { recursive: true, force: true })
})

/** The relay's user puts a link to a file of root in the place of one of the relay's own. */
function plant(path: string): void {
  rmSync(path, { force: true })
  symlinkSync(secret, path)
  spawnSync('chown', ['-h', `${nobody}:${nobody}`, path])
}

function expectSecret(): void {
  expect(readFileSync(secret, 'utf8')).toBe('root: a secret\n')
  expect(statSync(secret)).toMatchObject({ uid: 0, mode: 0o100600 })
}

function ofRoot(): string {
  return spawnSync('find', [relay.config, relay.state, '!', '-uid', String(nobody)], { encoding: 'utf8' }).stdout
}

describe.skipIf(process.getuid?.() !== 0)('root that acts for the user of a relay (needs root)', () => {
  it('cert does not write through a link to a file of root', () => {
    plant(join(relay.config, 'server.key'))
    relay.run(['cert'])
    expectSecret()
    expect(ofRoot()).toBe('')
  })

  it('cert renews the certificate in a directory of root that the user of the relay may only read', () => {
    spawnSync('chown', ['-R', '0:65534', relay.config])
    spawnSync('chmod', ['-R', 'u=rwX,g=rX,o=', relay.config])
    const certificate = join(relay.config, 'server.crt')
    const before = readFileSync(certificate, 'utf8')
    expect(relay.run(['cert']).status).toBe(0)
    expect(readFileSync(certificate, 'utf8')).not.toBe(before)
    expect(statSync(certificate)).toMatchObject({ uid: 0, gid: nobody, mode: 0o100640 })
    expect(relay.run(['start', '-m']).status).toBe(0)
  })

  it('backup does not read through a link to a file of root', () => {
    plant(join(relay.config, 'ca.key'))
    const passphrase = join(secrets, 'passphrase')
    writeFileSync(passphrase, 'correct horse battery staple\n', { mode: 0o600 })
    const file = join(secrets, 'relay.age')
    const { status, stdout } = relay.run(['backup', file, '--passphrase-file', passphrase])
    expect([status, stdout]).toEqual([1, expect.stringContaining(join(relay.config, 'ca.key'))])
    expect(() => statSync(file)).toThrow('ENOENT')
  })

  it('tor key import does not write through a link to a file of root', () => {
    const onion = join(relay.config, 'onion.key')
    const key = join(secrets, 'key')
    writeFileSync(key, `ED25519-V3:${Buffer.alloc(64, 0x40).toString('base64')}\n`, { mode: 0o600 })
    plant(onion)
    relay.run(['tor', 'key', 'import', key, '--mode', 'single-hop', '--force'])
    expectSecret()
    expect(ofRoot()).toBe('')
  })

  it('store export and store check do not write through links to a file of root', () => {
    expect(relay.run(['start', '-m'], '', nobody).status).toBe(0)
    const store = readdirSync(relay.state).find((name) => existsSync(join(relay.state, name, 'data.mdb'))) ?? ''
    plant(join(relay.state, store, 'closed'))
    relay.run(['store', 'check'])
    plant(join(relay.state, 'smp-server-store.log'))
    relay.run(['store', 'export'])
    expectSecret()
    expect(ofRoot()).toBe('')
  })

  it('start runs as the user of the relay, and says so', () => {
    const { status, stdout, stderr } = relay.run(['start', '-m'])
    expect(status).toBe(0)
    expect(stdout + stderr).toContain(`smp-server was started by root, and runs as user ${nobody}, who owns the relay`)
    expect(ofRoot()).toBe('')
  })

  it('backup and restore give the user a relay in which everything is the user’s', () => {
    expect(relay.run(['start', '-m'], '', nobody).status).toBe(0)
    const passphrase = join(secrets, 'passphrase')
    writeFileSync(passphrase, 'correct horse battery staple\n', { mode: 0o600 })
    const file = join(secrets, 'relay.age')
    expect(relay.run(['backup', file, '--passphrase-file', passphrase])).toMatchObject({ status: 0 })
    expect([statSync(file).uid, ofRoot()]).toEqual([0, ''])
    for (const directory of [relay.config, relay.state]) {
      renameSync(directory, `${directory}.before`)
      mkdirSync(directory)
      chownSync(directory, nobody, nobody)
    }
    expect(relay.run(['restore', file, '--passphrase-file', passphrase])).toMatchObject({ status: 0 })
    expect(ofRoot()).toBe('')
    expect(relay.run(['start', '-m'], '', nobody).status).toBe(0)
  })

  it('delete does not remove what a link leads to', () => {
    const directory = join(relay.state, 'messages')
    rmSync(directory, { recursive: true, force: true })
    symlinkSync(secrets, directory)
    expect(relay.run(['delete'], 'Y\n').status).toBe(0)
    expectSecret()
  })
})
