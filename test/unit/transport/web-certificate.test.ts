import { execFileSync } from 'node:child_process'
import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { silentLogger, type Logger } from '../../../src/config/log.ts'
import { WebCertificate } from '../../../src/transport/web-certificate.ts'

let directory: string
let lines: string[]
let log: Logger
let minutes: number

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'smp-web-'))
  lines = []
  minutes = 0
  log = { ...silentLogger, warn: (line) => lines.push(`warn ${line}`), note: (line) => lines.push(`note ${line}`) }
})
afterEach(() => rm(directory, { recursive: true }))

const inDirectory = (name: string): string => join(directory, name)

function make(name: string): void {
  const args = `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=${name}`
  execFileSync(
    'openssl',
    [...args.split(' '), '-keyout', inDirectory(`${name}.key`), '-out', inDirectory(`${name}.crt`)],
    {
      stdio: 'ignore',
    },
  )
}

const put = async (name: string, as = 'web'): Promise<void> => {
  await rename(inDirectory(`${name}.crt`), inDirectory(`${as}.crt`))
  await rename(inDirectory(`${name}.key`), inDirectory(`${as}.key`))
}

async function linksToNowhere(): Promise<void> {
  await rm(inDirectory('web.crt'))
  await rm(inDirectory('web.key'))
  await symlink(inDirectory('nothing'), inDirectory('web.crt'))
}

async function isDirectory(): Promise<void> {
  await rm(inDirectory('web.crt'))
  await mkdir(inDirectory('web.crt'))
}

const certificate = (): WebCertificate =>
  new WebCertificate({ certificate: inDirectory('web.crt'), key: inDirectory('web.key') }, log, () => minutes * 60_000)

describe('web-certificate', () => {
  it('the web certificate is loaded when both files exist', async () => {
    make('web')
    expect(await certificate().context()).toBeDefined()
    expect(lines).toEqual([])
  })

  it('the web certificate may appear while the relay runs; only its arrival is logged', async () => {
    const web = certificate()
    for (minutes = 0; minutes < 3; minutes++) expect(await web.context()).toBeUndefined()
    expect(lines).toEqual([])
    make('web')
    expect(await web.context()).toBeDefined()
    expect(lines).toEqual([expect.stringMatching(/^note /)])
  })

  it.each<[string, string, () => Promise<void>]>([
    ['only its key is there', 'no such file.*web\\.crt', () => rm(inDirectory('web.crt'))],
    ['only its chain is there', 'no such file.*web\\.key', () => rm(inDirectory('web.key'))],
    ['a link leads nowhere', 'no such file.*web\\.crt', () => linksToNowhere()],
    ['it cannot be read', 'EISDIR', () => isDirectory()],
    ['it is damaged', '', () => writeFile(inDirectory('web.crt'), '-----BEGIN CERTIFICATE-----\nAAAA\n')],
    ['it is that of another key', 'mismatch', () => rename(inDirectory('next.crt'), inDirectory('web.crt'))],
  ])('one warning is logged when %s, also after both files were missing', async (_, why, damage) => {
    const web = certificate()
    expect(await web.context()).toBeUndefined()
    make('web')
    make('next')
    await damage()
    for (minutes = 1; minutes < 3; minutes++) expect(await web.context()).toBeUndefined()
    expect(lines).toEqual([expect.stringMatching(new RegExp(`^warn .*browsers cannot connect: .*${why}`))])
  })

  it('the web certificate is reloaded after a minute when the files have changed', async () => {
    make('web')
    const web = certificate()
    const first = await web.context()
    make('next')
    await put('next')
    minutes = 0.9
    expect(await web.context()).toBe(first)
    minutes = 1
    const second = await web.context()
    expect(second).not.toBe(first)
    minutes = 2
    expect(await web.context()).toBe(second)
    expect(lines).toHaveLength(1)
  })

  it.each<[string, () => Promise<void>]>([
    ['half of it is renewed', () => rename(inDirectory('next.crt'), inDirectory('web.crt'))],
    ['it is damaged', () => writeFile(inDirectory('web.crt'), '-----BEGIN CERTIFICATE-----\nAAAA\n')],
    ['it is gone', () => rm(inDirectory('web.key'))],
  ])('the previous web certificate is kept while %s, and replaced afterwards', async (_, damage) => {
    make('web')
    make('next')
    make('last')
    const web = certificate()
    const first = await web.context()
    await damage()
    for (minutes = 1; minutes < 4; minutes++) expect(await web.context()).toBe(first)
    expect(lines).toEqual([expect.stringMatching(/^warn .*keeping the previous one: /)])
    await put('last')
    expect(await web.context()).not.toBe(first)
  })

  it('the web certificate is read once for many simultaneous connections', async () => {
    make('web')
    const web = certificate()
    const contexts = await Promise.all(Array.from({ length: 20 }, () => web.context()))
    expect(new Set(contexts).size).toBe(1)
    expect(contexts[0]).toBeDefined()
  })
})
