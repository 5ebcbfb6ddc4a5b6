import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  installStep,
  installTor,
  primaryFingerprints,
  repositoryLines,
} from '../../../../../src/tor/setup/steps/install.ts'
import type { CommandResult, CommandRunner } from '../../../../../src/system/command.ts'

const torProject = 'A3C4F0F979CAA22CDBA8F512EE8CBC9E886DDD89'
const colons = (fingerprint: string): string =>
  `pub:-:2048:1:EE8CBC9E886DDD89:1:::-:::scSC::::\nfpr:::::::::${fingerprint}:\n`

let root: string
beforeEach(() => (root = mkdtempSync(join(tmpdir(), 'smp-apt-'))))
afterEach(() => rmSync(root, { recursive: true }))

function runner(replies: Readonly<Record<string, Partial<CommandResult>>>): { run: CommandRunner; commands: string[] } {
  const commands: string[] = []
  const run: CommandRunner = (program, args) => {
    const command = [program, ...args].join(' ')
    commands.push(command)
    const reply = Object.entries(replies).find(([part]) => command.includes(part))?.[1]
    return Promise.resolve({ status: 0, stdout: '', stderr: '', ...reply })
  }
  return { run, commands }
}

describe('the installation of tor', () => {
  it("without --official-repo the distribution's package is installed", async () => {
    const { run, commands } = runner({})
    await installTor({}, run, root)
    const apt = 'env DEBIAN_FRONTEND=noninteractive apt-get'
    expect(commands).toEqual([`${apt} update`, `${apt} install -y tor`])
  })

  it("the Tor Project's package is installed once its key has the known fingerprint", async () => {
    const { run, commands } = runner({ '--show-keys': { stdout: colons(torProject) } })
    await installTor({ official: { codename: 'bookworm' } }, run, root)
    expect(readFileSync(join(root, 'etc/apt/sources.list.d/tor.list'), 'utf8')).toBe(
      'deb [signed-by=/usr/share/keyrings/tor-archive-keyring.gpg] https://deb.torproject.org/torproject.org bookworm main\n' +
        'deb-src [signed-by=/usr/share/keyrings/tor-archive-keyring.gpg] https://deb.torproject.org/torproject.org bookworm main\n',
    )
    expect(commands.at(-1)).toMatch(/install -y tor deb\.torproject\.org-keyring$/)
    expect(commands.findIndex((command) => command.includes('--show-keys'))).toBeLessThan(
      commands.findIndex((command) => command.startsWith('install -m 644')),
    )
  })

  it.each([
    ['another key', { '--show-keys': { stdout: colons('00'.repeat(20)) } }, 'TOR_KEY'],
    ['no key', { '--show-keys': {} }, 'TOR_KEY'],
    ['no network', { curl: { status: 6, stderr: 'curl: (6) Could not resolve host' } }, 'TOR_KEY'],
    [
      'a repository without this release',
      {
        '--show-keys': { stdout: colons(torProject) },
        'apt-get update': { status: 100, stderr: 'E: no Release file.' },
      },
      'APT',
    ],
  ])('a failed installation leaves no file behind: %s', async (_, replies, code) => {
    const { run, commands } = runner(replies)
    await expect(installTor({ official: { codename: 'noble' } }, run, root)).rejects.toMatchObject({ code })
    expect(existsSync(join(root, 'etc/apt/sources.list.d/tor.list'))).toBe(false)
    expect(commands.some((command) => command.includes('apt-get install'))).toBe(false)
  })

  it('the plan has the sources file and the commands', () => {
    const { changes } = installStep({ official: { codename: 'trixie' } }, undefined, runner({}).run)
    expect(changes.files).toEqual([
      { path: '/etc/apt/sources.list.d/tor.list', before: undefined, after: repositoryLines('trixie') },
    ])
    expect(changes.commands).toContain('apt-get install -y tor deb.torproject.org-keyring')
  })

  it('an invalid codename is never written into a file', () => {
    expect(() => repositoryLines('x main\ndeb evil')).toThrow(TypeError)
  })

  it('fingerprints of primary keys count, not those of subkeys', () => {
    expect(primaryFingerprints(`${colons(torProject)}sub:-:2048:\nfpr:::::::::${'1'.repeat(40)}:\n`)).toEqual([
      torProject,
    ])
  })
})
