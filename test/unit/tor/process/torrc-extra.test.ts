import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { clientExtra, decidesNetwork, readTorrcExtra } from '../../../../src/tor/process/torrc-extra.ts'

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'torrc-'))
})
afterEach(async () => {
  await rm(directory, { recursive: true })
})

describe('the operator’s own lines', () => {
  it('the operator’s lines may not set what smp-server sets itself', async () => {
    const path = join(directory, 'extra')
    for (const line of ['DataDirectory /tmp', ' controlport 9051', '+ControlSocket /x', '/User', 'user root']) {
      await writeFile(path, `# comment\n${line}\n`)
      await expect(readTorrcExtra(path)).rejects.toMatchObject({ code: 'TOR_EXTRA_OPTION' })
    }
    await writeFile(path, 'UseBridges 1\r\n# User root\r\n')
    expect(await readTorrcExtra(path)).toEqual({ path, text: 'UseBridges 1\n# User root\n' })
  })

  it.each([
    ['%include /etc/passwd', ':2: %include is not allowed here'],
    ['Us root', ':2: us is short for'],
    ['HashedControlPass 16:00', ':2: hashedcontrolpass is short for HashedControlPassword'],
    ['DataDir /etc', 'DataDirectory'],
    ['PidF /etc/x', 'PidFile'],
    ['DirPortFrontPage /etc/shadow', ':2: DirPortFrontPage may not be set here'],
    ['ServerTransportPlugin obfs4 exec /usr/bin/obfs4proxy', ':2: ServerTransportPlugin may not be set here'],
    ['ClientTransportPlugin x exec /var/opt/simplex/x', ':2: ClientTransportPlugin may only run a program below'],
    ['ClientTransportPlugin x exec /usr/bin/../../var/opt/x', ':2: ClientTransportPlugin may only run'],
    ['ClientTransportPlugin x \\\n exec /var/x', ':2: ClientTransportPlugin may only run'],
    ['SafeLogging 1 \\\n\nExtORPortC /etc/x', ':4: extorportc is short for ExtORPortCookieAuthFile'],
    ['# a comment \\\nUser root', ':3: User may not be set here'],
    ['SafeLogging 1 # a comment \\\nUser root', ':3: User may not be set here'],
    ['User', ':2: User may not be set here'],
    ['User#', ':2: User may not be set here'],
    ['User\\\n root', ':2: User may not be set here'],
  ])('the operator’s lines may not choose users, paths or programs: %s', async (line, message) => {
    const path = join(directory, 'extra')
    await writeFile(path, `DisableNetwork 1\n${line}\n`)
    await expect(readTorrcExtra(path)).rejects.toMatchObject({
      code: 'TOR_EXTRA_OPTION',
      message: expect.stringContaining(message) as string,
    })
  })

  it('the operator’s lines may lead to the network, limit tor and choose relays; tor itself refuses what is no option', async () => {
    const path = join(directory, 'extra')
    const text =
      'UseBridges 1\nClientTransportPlugin obfs4 exec /usr/bin/obfs4proxy\nEntryNodes {de}\nBandwidthRate 1 MB\nBogus 1\n'
    await writeFile(path, text)
    expect(await readTorrcExtra(path)).toEqual({ path, text })
  })

  it('a missing file of extra lines is an error for the operator', async () => {
    const path = join(directory, 'none')
    await expect(readTorrcExtra(path)).rejects.toMatchObject({
      code: 'TOR_EXTRA_UNREADABLE',
      message: `The torrc file ${path} does not exist.`,
    })
  })

  it('the operator’s lines may set DisableNetwork', () => {
    expect(decidesNetwork({ path: '', text: '# A 1\n\n DisableNetwork 1\n+B 2' })).toBe(true)
    expect(decidesNetwork({ path: '', text: 'disablenetwork 1' })).toBe(true)
    expect(decidesNetwork({ path: '', text: '#DisableNetwork 1' })).toBe(false)
    expect(decidesNetwork(undefined)).toBe(false)
  })
})

it('a client tor gets the operator’s lines that lead to the network, not those for a service', () => {
  const text = [
    '# bridges',
    'UseBridges 1',
    'Bridge 192.0.2.1:443 0123456789012345678901234567890123456789',
    'SocksPort 9050',
    '+socksport 9051',
    'ORPort 9001',
    'Log info file /var/log/tor.log',
    'HiddenServiceEnableIntroDoSDefense 1',
    'HiddenServiceExportCircuitID \\',
    '  haproxy',
    'LogTimeGranularity 1',
    '%include /etc/tor/bridges',
    'DisableNetwork 1',
    '',
  ].join('\n')
  expect(clientExtra({ path: '/extra', text })).toEqual({
    path: '/extra',
    text: [
      '# bridges',
      'UseBridges 1',
      'Bridge 192.0.2.1:443 0123456789012345678901234567890123456789',
      'LogTimeGranularity 1',
      '%include /etc/tor/bridges',
      'DisableNetwork 1',
      '',
    ].join('\n'),
  })
})
