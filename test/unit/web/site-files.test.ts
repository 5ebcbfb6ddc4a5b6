import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { setIniValue } from '../../../src/config/ini.ts'
import { resolvePaths } from '../../../src/config/paths.ts'
import { readSettings } from '../../../src/config/read-settings.ts'
import { generateIni } from '../../../src/config/template.ts'
import { siteFiles, type SiteFacts } from '../../../src/web/site-files.ts'

type Change = readonly [section: string, key: string, value: string]

const generated = generateIni({
  paths: resolvePaths({}),
  storeLog: true,
  dailyStats: false,
  web: true,
  host: 'relay.example',
  createPassword: 'the-password',
})
const FINGERPRINT = 'LcJUMfVhwD8yxjAiSaDzzGF3-kLG4Uh0Fl_ZIjrRwjI='
const build = { version: '1.2.3', commit: '0123456789abcdef0123456789abcdef01234567' }

const identity = { fingerprint: FINGERPRINT, address: `smp://${FINGERPRINT}@relay.example` }

/** The files, all of them as text. */
async function filesOf(changes: readonly Change[], facts: Partial<SiteFacts> = {}): Promise<Map<string, string>> {
  const ini = changes.reduce((text, [section, key, value]) => setIniValue(text, section, key, value), generated)
  const files = await siteFiles({ settings: readSettings(ini, 'smp-server.ini').settings, build, identity, ...facts })
  return new Map([...files].map(([path, content]) => [path, content.toString()]))
}

/** The rows of the two tables: label and the HTML of the value. */
async function rows(...changes: Change[]): Promise<Record<string, string>> {
  const page = (await filesOf(changes)).get('index.html') ?? ''
  return Object.fromEntries(
    [...page.matchAll(/<th scope="row">(.*?)<\/th><td>(.*?)<\/td>/gs)].map(([, label = '', value = '']) => [
      label,
      value,
    ]),
  )
}

const source: Change = ['INFORMATION', 'source_code', 'https://git.example/relay/']

describe('site-files', () => {
  it('the server page shows the configuration of a new relay', async () => {
    expect(await rows()).toEqual({
      'Host name': 'relay.example',
      Fingerprint: `<code>${FINGERPRINT}</code>`,
      Version: '1.2.3 / 0123456',
      'Source code': expect.stringContaining('<code>source_code</code>') as string,
      Persistence: 'Queues and messages',
      'Message expiration': '21 days',
      Statistics: 'No',
      'New queues allowed': 'Yes',
      'Password for new queues': 'Yes',
    })
  })

  it.each<[string, string, ...Change[]]>([
    ['Persistence', 'In-memory only', ['STORE_LOG', 'enable', 'off']],
    ['Persistence', 'Queues', ['STORE_LOG', 'restore_messages', 'off']],
    ['Message expiration', '1 month', ['STORE_LOG', 'expire_messages_days', '30']],
    ['Statistics', 'Yes', ['STORE_LOG', 'log_stats', 'on']],
    ['New queues allowed', 'No', ['AUTH', 'new_queues', 'off']],
    [
      'Operator',
      'People (DE)',
      source,
      ['INFORMATION', 'operator', 'People'],
      ['INFORMATION', 'operator_country', 'de'],
    ],
    ['Operator', 'People', source, ['INFORMATION', 'operator', 'People']],
    ['Hosting provider', 'Hosts', source, ['INFORMATION', 'hosting', 'Hosts']],
    ['Hosting type', 'Virtual', source],
    ['Server country', 'FI', source, ['INFORMATION', 'server_country', 'fi']],
    ['Website', 'javascript:alert(1)', source, ['INFORMATION', 'website', 'javascript:alert(1)']],
    ['Operator', '&lt;b onclick=&quot;x&quot;&gt;', source, ['INFORMATION', 'operator', '<b onclick="x">']],
    [
      'Version',
      `1.2.3 / <a href="https://git.example/relay/commit/${build.commit}" rel="noreferrer">0123456</a>`,
      source,
    ],
    [
      'Administrator',
      '<div>E-mail: <a href="mailto:a@b.example">a@b.example</a></div>' +
        '<div>PGP: <a href="https://b.example/k" rel="noreferrer">https://b.example/k</a><br><code>AB CD</code></div>',
      source,
      ['INFORMATION', 'admin_email', 'a@b.example'],
      ['INFORMATION', 'admin_pgp', 'https://b.example/k'],
      ['INFORMATION', 'admin_pgp_fingerprint', 'AB CD'],
    ],
    [
      'Complaints and feedback',
      '<div>SimpleX: <a href="simplex:/contact#/?v=1&amp;smp=x" rel="noreferrer">simplex:/contact#/?v=1&amp;smp=x</a></div>',
      source,
      ['INFORMATION', 'complaints_simplex', 'simplex:/contact#/?v=1&smp=x'],
    ],
  ])('the server page %s: %s', async (label, value, ...changes) => {
    expect((await rows(...changes))[label]).toBe(value)
  })

  it('the server page shows nothing about the operator while source_code is missing', async () => {
    expect(await rows(['INFORMATION', 'operator', 'People'])).not.toHaveProperty('Operator')
  })

  it('the site never shows the password, and the address only with share_address', async () => {
    const share: Change = ['INFORMATION', 'share_address', 'on']
    for (const changes of [[source], [source, share]]) {
      for (const [path, content] of await filesOf(changes)) {
        expect(content).not.toContain('the-password')
        const isShared = path === 'index.html' && changes.includes(share)
        expect(content.includes('smp://')).toBe(isShared)
      }
    }
    const page = (await filesOf([share])).get('index.html') ?? ''
    expect(page).toContain(`<code>${identity.address}</code>`)
    expect(page).toMatch(/aria-label="QR code of the address"><svg/)
  })

  it('the server page lists several host names, and the onion address by itself', async () => {
    const onion = 'elbqz43n4fepvyrxgjwsvpylse2m7u4b4i2dzroxuno644wou3sorwad.onion'
    const shown = await rows(['TRANSPORT', 'host', `a.example,b.example,${onion}`])
    expect(shown).toMatchObject({ 'Host names': 'a.example, b.example', 'Onion address': `<code>${onion}</code>` })
  })

  it("the title and the heading have the operator's name, escaped", async () => {
    const page = (await filesOf([source, ['INFORMATION', 'operator', 'A & B']])).get('index.html') ?? ''
    expect(page).toContain('<title>A &amp; B: SimpleX relay</title>')
    expect(page).toContain('<h1>SimpleX relay of A &amp; B</h1>')
  })

  it('the server page names its onion address when it has one', async () => {
    const onionLocation = `http://${'a'.repeat(56)}.onion`
    const page = async (facts: Partial<SiteFacts>): Promise<string> =>
      (await filesOf([], facts)).get('index.html') ?? ''
    expect(await page({ onionLocation })).toContain(`<meta http-equiv="onion-location" content="${onionLocation}">`)
    expect(await page({})).not.toContain('onion-location')
  })
})

describe('site-files', () => {
  it('the site has all its files, including seven link pages', async () => {
    const files = await filesOf([])
    expect([...files.keys()].sort()).toEqual([
      '404.html',
      'a/index.html',
      'c/index.html',
      'contact/index.html',
      'favicon.ico',
      'g/index.html',
      'i/index.html',
      'index.html',
      'invitation/index.html',
      'media/icon.svg',
      'media/link-page.js',
      'media/links.js',
      'media/site.css',
      'media/uqr.js',
      'r/index.html',
      'robots.txt',
      'well-known/apple-app-site-association',
      'well-known/assetlinks.json',
    ])
    const links = ['contact', 'invitation', 'a', 'c', 'g', 'r', 'i'].map((path) => files.get(`${path}/index.html`))
    expect(new Set(links).size).toBe(1)
  })

  it('the site loads nothing from other servers and has no inline scripts or styles', async () => {
    for (const [path, content] of await filesOf([source])) {
      if (path.endsWith('.html')) {
        expect(content).not.toMatch(/<style|style="|<script(?! type="module" src="\/media\/)|\son\w+=/)
        for (const [, url] of content.matchAll(/(?:src|<link[^>]* href)="([^"]*)"/g)) expect(url).toMatch(/^\/media\//)
      }
      if (path.endsWith('.css')) expect(content).not.toMatch(/url\(|@import/)
      if (path.endsWith('.js')) expect(content).not.toMatch(/from ['"](?!\.\/)|\bfetch\(|\beval\(/)
    }
  })

  it('the site includes the QR code library with its licence', async () => {
    const library = (await filesOf([])).get('media/uqr.js') ?? ''
    expect(library).toMatch(/^\/\*! uqr\nMIT License/)
    expect(library).toContain(
      readFileSync(new URL('../../../node_modules/uqr/dist/index.mjs', import.meta.url), 'utf8'),
    )
  })

  it('the site lets iOS open links in the app', async () => {
    const association = JSON.parse((await filesOf([])).get('well-known/apple-app-site-association') ?? '') as {
      applinks: { details: [{ appIDs: string[]; components: { '/': string }[] }] }
    }
    const [{ appIDs, components }] = association.applinks.details
    expect(appIDs).toEqual(['5NN7GUYB6T.chat.simplex.app'])
    expect(components.map(({ '/': path }) => path).sort()).toEqual(
      ['contact', 'invitation', 'a', 'c', 'g', 'i'].flatMap((path) => [`/${path}`, `/${path}/*`]).sort(),
    )
  })

  it('the site lets Android open links in the app, whoever published it', async () => {
    const [statement] = JSON.parse((await filesOf([])).get('well-known/assetlinks.json') ?? '') as {
      relation: string[]
      target: { package_name: string; sha256_cert_fingerprints: string[] }
    }[]
    expect(statement?.relation).toEqual(['delegate_permission/common.handle_all_urls'])
    expect(statement?.target.package_name).toBe('chat.simplex.app')
    const fingerprints = statement?.target.sha256_cert_fingerprints ?? []
    expect(fingerprints.map((fingerprint) => fingerprint.slice(0, 5))).toEqual(['5E:3E', '3C:52', 'AE:C1'])
    for (const fingerprint of fingerprints) expect(fingerprint).toMatch(/^([0-9A-F]{2}:){31}[0-9A-F]{2}$/)
  })
})
