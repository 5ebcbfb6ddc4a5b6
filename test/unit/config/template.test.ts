import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { iniValue, setIniValue } from '../../../src/config/ini.ts'
import { keyRows } from '../../../src/config/keys.ts'
import { resolvePaths } from '../../../src/config/paths.ts'
import { readByPeer, readHere } from '../../ini-peer.ts'
import { generateIni, type TemplateOptions } from '../../../src/config/template.ts'

const paths = resolvePaths({})
const plain: TemplateOptions = { paths, storeLog: true, dailyStats: false, web: true }

/** The lines of a recorded file of upstream: active keys, and those comments that end in `=`. */
function recordedLines(name: string): string[] {
  return readFileSync(new URL(`../../samples/printed/${name}`, import.meta.url), 'utf8')
    .trimEnd()
    .split('\n')
}

function comparableLines(text: string): string[] {
  // Upstream has no automatic backups and no Tor.
  const upstreams = text.slice(0, text.indexOf('[BACKUP]'))
  return upstreams.split('\n').filter((line) => /^(\[|[a-z_]+ ?[=:]|# [a-z_]+ =$)/.test(line))
}

describe('the generated file has the key lines of upstream, in the same order', () => {
  it('with nothing but a password', () => {
    const recorded = recordedLines('default-ini-keys.txt')
    const createPassword = iniValue(recorded.join('\n'), 'AUTH', 'create_password')
    expect(comparableLines(generateIni({ ...plain, createPassword }))).toEqual(recorded)
  })

  it('without web and password', () => {
    expect(comparableLines(generateIni({ ...plain, web: false }))).toEqual(recordedLines('noweb-ini-keys.txt'))
  })

  it('with all that can be given', () => {
    const recorded = recordedLines('full-ini-keys.txt')
    const value = (section: string, key: string): string => iniValue(recorded.join('\n'), section, key) ?? ''
    const text = generateIni({
      paths,
      storeLog: true,
      dailyStats: true,
      host: 'smp.test.example',
      createPassword: 'secret1',
      controlPort: {
        port: 5224,
        admin: value('AUTH', 'control_port_admin_password'),
        user: value('AUTH', 'control_port_user_password'),
      },
      ownDomains: ['a.example', 'b.example'],
      sourceCode: 'https://github.com/simplex-chat/simplexmq',
      serverCountry: 'FI',
      operator: 'Op Name',
      operatorCountry: 'GB',
      website: 'https://op.example',
      hosting: 'Host Inc',
      hostingCountry: 'US',
      hostingType: 'virtual',
      staticPath: '/srv/www',
      web: true,
    })
    // A list with commas would be taken for one domain by upstream; blanks are read alike by all.
    const expected = recorded.map((line) => line.replace('a.example,b.example', 'a.example b.example'))
    expect(comparableLines(text)).toEqual(expected)
  })
})

it('every key is there, active or commented', () => {
  const text = generateIni(plain)
  for (const { section, name } of keyRows()) {
    const start = text.indexOf(`[${section}]`)
    const end = text.indexOf('\n[', start + 1)
    expect(text.slice(start, end < 0 ? undefined : end)).toMatch(new RegExp(`^(# )?${name} ?[=:]`, 'm'))
  }
})

it('commented samples of resolver endpoints keep their colon', () => {
  expect(generateIni(plain)).toContain(
    '# resolver_endpoint: http://127.0.0.1:8000\n# resolver_endpoint: https://names.simplex.chat:443\n',
  )
})

it('every key can be set, and then stands below its sample', () => {
  const text = generateIni(plain)
  for (const { section, name } of keyRows()) {
    const changed = setIniValue(text, section, name, 'x')
    expect(iniValue(changed, section, name)).toBe('x')
    const lines = changed.split('\n')
    const at = lines.findIndex((line, index) => line !== text.split('\n')[index])
    expect([lines[at - 1], text.split('\n')[at]].join('\n')).toMatch(new RegExp(`^(# )?${name} ?[=:]`, 'm'))
  }
})

it('the generated file is read the same by the package ini', () => {
  const text = generateIni({ ...plain, createPassword: 'p-_=', host: 'a.example' })
  expect(readByPeer(text)).toEqual(readHere(text))
  expect(readByPeer(text)).toMatchObject({ 'AUTH.create_password': 'p-_=', 'TRANSPORT.host': 'a.example' })
})
