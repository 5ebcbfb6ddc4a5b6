import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ownTorPaths } from '../../../../src/tor/process/own-torrc.ts'
import { parseTorLog } from '../../../../src/tor/process/tor-log.ts'
import {
  managedMark,
  readTemplate,
  reasonOf,
  renderTorrc,
  torrcValue,
  verifyTorrc,
} from '../../../../src/tor/process/torrc.ts'

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'torrc-'))
})
afterEach(async () => {
  await rm(directory, { recursive: true })
})

const settings = (text: string): string[] => text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))

describe('a torrc', () => {
  it('the torrc of an own tor has single-hop mode, its control socket and no network yet', async () => {
    const text = renderTorrc(await readTemplate('own'), {
      DATA_DIRECTORY: '/var/opt/simplex/tor',
      CONTROL_SOCKET: '/var/opt/simplex/tor/control',
      COOKIE_FILE: '/var/opt/simplex/tor/control.cookie',
      OWNER_PID: '42',
    })
    expect(settings(text)).toEqual([
      'DataDirectory /var/opt/simplex/tor',
      'HiddenServiceSingleHopMode 1',
      'HiddenServiceNonAnonymousMode 1',
      'SocksPort 0',
      'ControlSocket /var/opt/simplex/tor/control',
      'CookieAuthentication 1',
      'CookieAuthFile /var/opt/simplex/tor/control.cookie',
      '__OwningControllerProcess 42',
      'DisableNetwork 1',
      'RunAsDaemon 0',
      'Log notice stdout',
    ])
  })

  it('the torrc of an instance has single-hop mode and its mark', async () => {
    const text = renderTorrc(await readTemplate('instance'), {})
    expect(settings(text)).toEqual(['HiddenServiceSingleHopMode 1', 'HiddenServiceNonAnonymousMode 1', 'SocksPort 0'])
    expect(text).toContain(managedMark)
  })

  it('a torrc ends with the operator’s lines', () => {
    const extra = { path: '/etc/bridges', text: 'UseBridges 1\nBridge 192.0.2.1:443' }
    expect(renderTorrc('A 1\n', {}, extra)).toBe('A 1\n\n# From /etc/bridges:\nUseBridges 1\nBridge 192.0.2.1:443\n')
  })

  it('torrc values are quoted where tor would misread them, and several lines are refused', () => {
    expect(torrcValue('/a/b-c')).toBe('/a/b-c')
    expect(torrcValue('/a b/#c"d\\e')).toBe('"/a b/#c\\"d\\\\e"')
    expect(torrcValue('')).toBe('""')
    expect(() => torrcValue('a\nUser root')).toThrow(TypeError)
    expect(() => renderTorrc('A @B@', {})).toThrow(TypeError)
  })
})

describe('what tor says', () => {
  it('a line of tor’s log has a level and a text', () => {
    expect(parseTorLog('Nov 23 01:05:16.711 [warn] Option x.')).toEqual({ level: 'warn', text: 'Option x.' })
    expect(parseTorLog('Configuration was valid')).toBeUndefined()
  })

  it('tor’s last warning before it exits is the reason, in one clause', () => {
    const log = (...lines: string[]): string => lines.map((line) => `Nov 23 01:05:16.711 ${line}`).join('\n')
    const end = '[err] Reading config failed--see warnings above.'
    expect(reasonOf(log("[warn] Failed to parse/validate config: Unknown option 'Bogus'.  Failing.", end))).toBe(
      "Unknown option 'Bogus'",
    )
    expect(reasonOf(log('[warn] First.', '[warn] Second.', end))).toBe('Second')
    expect(reasonOf(log(end))).toBe('Reading config failed--see warnings above')
    expect(reasonOf('')).toBe('it gave no reason')
  })

  it('tor checks a configuration with the arguments it will run with', async () => {
    const calls: unknown[] = []
    const verify = (status: number): Promise<string | undefined> =>
      verifyTorrc({
        binary: 'tor',
        args: ['-f', '/torrc'],
        run: (program, args) => {
          calls.push([program, ...args])
          return Promise.resolve({ status, stdout: 'Nov 23 01:05:16.711 [warn] No.\n', stderr: '' })
        },
      })
    expect(await verify(0)).toBeUndefined()
    expect(await verify(1)).toBe('No')
    expect(calls[0]).toEqual(['tor', '-f', '/torrc', '--hush', '--verify-config'])
  })

  it('a tor that is not installed is named as such', async () => {
    const { runCommand } = await import('../../../../src/system/command.ts')
    const verification = { run: runCommand, binary: join(directory, 'tor'), args: [] }
    await expect(verifyTorrc(verification)).rejects.toMatchObject({ code: 'TOR_MISSING' })
  })
})

describe('the control socket of the own tor', () => {
  it('the control socket is in the data directory, or in a short one when the path would be too long', () => {
    expect(ownTorPaths('/var/opt/simplex/tor').controlSocket).toBe('/var/opt/simplex/tor/control')
    const deep = ownTorPaths(`/${'deep/'.repeat(30)}tor`)
    expect(Buffer.byteLength(deep.controlSocket)).toBeLessThanOrEqual(107)
    expect(deep.torrc.startsWith('/deep/')).toBe(true)
    expect(ownTorPaths(`/${'deep/'.repeat(30)}tor`)).toEqual(deep)
    expect(ownTorPaths(`/${'deep/'.repeat(31)}tor`).controlSocket).not.toBe(deep.controlSocket)
    expect(ownTorPaths('/with blank/tor').controlSocket).not.toContain(' ')
  })
})
