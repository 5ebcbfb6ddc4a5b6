import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { setIniValue } from '../../../src/config/ini.ts'
import { silentLogger, type Logger } from '../../../src/config/log.ts'
import { resolvePaths, type Paths } from '../../../src/config/paths.ts'
import { readSettings } from '../../../src/config/read-settings.ts'
import { generateIni } from '../../../src/config/template.ts'
import type { RequestHandler } from '../../../src/transport/web-requests.ts'
import { prepareSite } from '../../../src/web/prepare-site.ts'

const onion = 'e3fsut6v7y3eazdxphueja7n6fbtkolj3fhzqmdq23qr2oxiiejusyid.onion'
let directory: string
let paths: Paths
let lines: string[]
let log: Logger

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'smp-site-'))
  paths = resolvePaths({ SMP_SERVER_CFG_PATH: join(directory, 'etc'), SMP_SERVER_LOG_PATH: join(directory, 'var') })
  await mkdir(paths.configDir)
  await mkdir(paths.stateDir)
  lines = []
  log = { ...silentLogger, info: (line) => lines.push(`info ${line}`), warn: (line) => lines.push(`warn ${line}`) }
})
afterEach(() => rm(directory, { recursive: true }))

function prepare(...changes: [string, string, string][]): Promise<RequestHandler | undefined> {
  const generated = generateIni({ paths, storeLog: true, dailyStats: false, web: true, host: `a.example,${onion}` })
  const ini = changes.reduce((text, [section, key, value]) => setIniValue(text, section, key, value), generated)
  const { settings } = readSettings(ini, 'smp-server.ini')
  const identity = { fingerprint: 'f', address: 'smp://f@a.example' }
  return prepareSite({ settings, paths, build: { version: '1', commit: '' }, identity, log })
}

const index = (): Promise<string> => readFile(join(paths.site, 'index.html'), 'utf8')

describe('prepare-site', () => {
  it("the site's directory is created with its parents", async () => {
    const path = join(directory, 'new/www')
    expect(await prepare(['WEB', 'static_path', path])).toBeTypeOf('function')
    expect(lines).toEqual([`info Generated static site contents at "${path}"`])
    expect((await readdir(path)).sort()).toEqual(
      [
        '404.html',
        'a',
        'c',
        'contact',
        'favicon.ico',
        'g',
        'i',
        'index.html',
        'invitation',
        'media',
        'r',
        'robots.txt',
        'well-known',
      ].sort(),
    )
  })

  it('generating the site replaces its own pages and keeps other files', async () => {
    await mkdir(join(paths.site, 'media'), { recursive: true })
    await writeFile(join(paths.site, 'index.html'), 'old')
    await writeFile(join(paths.site, 'media/own.png'), 'own')
    await prepare()
    expect(await index()).toContain('<h1>SimpleX relay</h1>')
    expect(await readFile(join(paths.site, 'media/own.png'), 'utf8')).toBe('own')
  })

  it('generating the site does not write unchanged files', async () => {
    await prepare()
    const long = new Date('2020-01-01')
    for (const name of ['index.html', 'media/site.css']) await utimes(join(paths.site, name), long, long)
    await prepare(['AUTH', 'new_queues', 'off'])
    expect((await stat(join(paths.site, 'media/site.css'))).mtime).toEqual(long)
    expect((await stat(join(paths.site, 'index.html'))).mtime).not.toEqual(long)
  })

  it('generating the site replaces a symbolic link itself, not its target', async () => {
    await mkdir(paths.site)
    const other = join(directory, 'other')
    await writeFile(other, 'mine')
    await symlink(other, join(paths.site, 'index.html'))
    await prepare()
    expect(await readFile(other, 'utf8')).toBe('mine')
    expect(await index()).toContain('<h1>')
  })
})

describe('prepare-site', () => {
  it('the relay runs without the site, and the log says why, when no directory is set', async () => {
    expect(await prepare(['WEB', 'static_path', ''])).toBeUndefined()
    expect(lines).toEqual(['warn No server static path set'])
  })

  it('the relay runs without the site, and the log says why, when its directory is a file', async () => {
    await writeFile(paths.site, 'a file')
    expect(await prepare()).toBeUndefined()
    expect(lines).toEqual([
      expect.stringMatching(
        /^warn Cannot generate the site in .*www; the relay .*(ENOTDIR|EEXIST).* Set \[WEB\] static_path/,
      ),
    ])
  })

  it("the relay runs without the site, and the log says why, when a page's path is a directory; no partial file is left", async () => {
    await mkdir(join(paths.site, 'index.html/x'), { recursive: true })
    expect(await prepare()).toBeUndefined()
    expect(lines).toHaveLength(1)
    expect(await readdir(paths.site)).toEqual(['index.html'])
  })

  it.each(['', 'etc', 'var'])(
    "the relay runs without the site, and the log says why, when the site would publish the relay's keys (%j)",
    async (name) => {
      expect(await prepare(['WEB', 'static_path', join(directory, name)])).toBeUndefined()
      expect(lines).toEqual([
        expect.stringMatching(/^warn .*The site would publish .* Set \[WEB\] static_path to a directory/),
      ])
    },
  )

  it("the relay runs without the site, and the log says why, when a symbolic link leads to the relay's keys", async () => {
    await symlink(paths.configDir, join(directory, 'www'))
    expect(await prepare(['WEB', 'static_path', join(directory, 'www')])).toBeUndefined()
    expect(await readdir(paths.configDir)).toEqual([])
  })
})

describe('prepare-site', () => {
  const http: [string, string, string] = ['WEB', 'http', '8000']
  const web: [string, string, string] = ['TOR', 'web', 'on']
  const own: [string, string, string] = ['TOR', 'mode', 'own']

  it.each<[string, boolean, [string, string, string][]]>([
    ['set up manually', true, []],
    ['that the relay keeps and that leads to the pages', true, [own, web, http]],
    ['that the relay keeps, without pages', false, [own, http]],
    ['that the relay keeps, without HTTP', false, [own, web]],
    ['of none', false, [['TRANSPORT', 'host', 'a.example']]],
  ])('Onion-Location with an onion service %s: %s', async (_, isTold, changes) => {
    await prepare(...changes)
    expect((await index()).includes(`content="http://${onion}"`)).toBe(isTold)
  })

  it('Onion-Location is not set when the onion service does not serve the pages', async () => {
    await writeFile(paths.onionKey, '')
    await prepare()
    expect(await index()).not.toContain('onion-location')
  })
})
