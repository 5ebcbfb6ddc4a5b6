import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { iniValue } from '../../src/config/ini.ts'
import { buildProgram, Installation } from './cli-process.ts'

beforeAll(buildProgram)

let relay: Installation
beforeEach(() => (relay = new Installation()))
afterEach(() => relay.remove())

const onion = 'e3fsut6v7y3eazdxphueja7n6fbtkolj3fhzqmdq23qr2oxiiejusyid.onion'

describe('init refuses a host that apps cannot use, and makes nothing:', () => {
  it.each([
    ['--ip --store-log --yes', 'option --ip: "--store-log" is an option; the value before it is missing'],
    ['-y --ip', 'The option `--ip` expects an argument.'],
    ['-y -n --disable-web', 'option -n: "--disable-web" is an option; the value before it is missing'],
    ['-y --password --no-password', 'The option `--password` expects an argument.'],
    ['-y --fqdn=', 'option --fqdn: "" is empty'],
    ['-y -n https://smp.example.org', 'option -n: "https://smp.example.org" is a URL; write only smp.example.org'],
    ['-y -n smp.example.org/', 'option -n: "smp.example.org/" has a path; write the host only'],
    ['-y -n smp.example.org;other.example', 'contains ";"; separate hosts with commas'],
    ['-y -n smp.example.org:7000', 'contains a port; write smp.example.org here, and 7000 in port'],
    ['-y -n smp.example.org,', 'one of the hosts is empty'],
    ['-y -n <hostnames>', '"<hostnames>" is a placeholder that nothing was put in place of'],
    ['-y --ip 192.168.1.5/24', 'option --ip: "192.168.1.5/24" has a network mask; write the address only'],
    ['-y --ip 999.1.1.1', 'option --ip: "999.1.1.1" is not an IPv4 address'],
    ['-y --ip 0.0.0.0', 'option --ip: "0.0.0.0" stands for all addresses of this machine'],
    ['-y --ip smp.example.org', 'option --ip: "smp.example.org" is not an IP address; give a name with --fqdn'],
  ])('init %s', (args, sentence) => {
    const { status, stdout, stderr } = relay.run(['init', ...args.split(' ')])
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' })
    expect(stderr).toContain(sentence)
    expect(existsSync(relay.config)).toBe(false)
  })

  it('asks again when such a host is the answer to its question', () => {
    const { status, stdout } = relay.run(['init'], '\n\n\nn\nsmp.example.org:7000\nSMP.example.org\n\n\n')
    expect(status).toBe(0)
    expect(stdout).toContain('Invalid host: "smp.example.org:7000" contains a port; write smp.example.org here')
    expect(iniValue(readFileSync(relay.ini, 'utf8'), 'TRANSPORT', 'host')).toBe('smp.example.org')
  })
})

describe('a host in the INI file', () => {
  beforeEach(() => {
    expect(relay.run(['init', '-y', '--disable-web']).status).toBe(0)
  })

  function setHost(host: string): void {
    writeFileSync(relay.ini, `[STORE_LOG]\nenable = on\n[TRANSPORT]\nhost = ${host}\nport = 7301\nwebsockets = off\n`)
  }

  it.each([
    [['address'], 'smp.example.org:5223', 'contains a port; write smp.example.org here, and 5223 in port.'],
    [['address', '--json'], '"smp.example.org"', 'write it without quotation marks.'],
    [['address', '--qr'], '*', 'contains a wildcard; apps need one complete name.'],
    [['start'], '${DEVICE_HOSTNAME}', 'is a placeholder that nothing was put in place of.'],
    [['tor', 'setup', '--own', '-y'], 'smp.example.org,expyuzz4wqqyqhjn.onion', 'is a version 2 onion address'],
  ])('stops %j when it is %s', (args, host, sentence) => {
    setHost(host)
    const { status, stdout } = relay.run(args)
    expect(status).toBe(1)
    expect(stdout).toContain(`Error: ${relay.ini}:4: [TRANSPORT] host = ${host}: `)
    expect(stdout).toContain(sentence)
    expect(stdout).not.toContain('smp://')
  })

  it('is printed as apps read it: lower case, without the dot of a zone file, each host once', () => {
    setHost(`SMP.Example.org., ${onion.toUpperCase()}, smp.example.org`)
    const { status, stdout } = relay.run(['address'])
    expect(status).toBe(0)
    expect(stdout).toMatch(new RegExp(`@smp\\.example\\.org,${onion}:7301\\n$`))
  })
})
