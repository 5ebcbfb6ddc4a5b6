import { describe, expect, it } from 'vitest'
import { canonicalHost, isOnion } from '../../../src/protocol/host.ts'
import { parseWhole } from '../../../src/protocol/reader.ts'
import {
  formatServerAddress,
  parseServerAddress,
  portNumber,
  readRelayAddress,
  writeRelayAddress,
  type ServerAddress,
} from '../../../src/protocol/server-address.ts'
import { Writer } from '../../../src/protocol/writer.ts'
import { concat, hex, short } from './bytes.ts'

const keyHash = hex('2dc25431f561c03f32c6302249a0f3cc6177fa42c6e14874165fd9223ad1c232')
const fingerprint = 'LcJUMfVhwD8yxjAiSaDzzGF3-kLG4Uh0Fl_ZIjrRwjI='
const onion = 'juaos3vrvcdisjxxyo5uqdl2vtrhnx5mmmvpqzfwsgjlkdsoalqx3nqd.onion'

const known: [string, string, ServerAddress][] = [
  ['a host', `smp://${fingerprint}@smp.example.com`, { keyHash, hosts: ['smp.example.com'], port: '' }],
  ['a port', `smp://${fingerprint}@smp.example.com:443`, { keyHash, hosts: ['smp.example.com'], port: '443' }],
  [
    'two hosts and a password',
    `smp://${fingerprint}:pass-word_=@smp.example.com,${onion}:5223`,
    { keyHash, password: 'pass-word_=', hosts: ['smp.example.com', onion], port: '5223' },
  ],
  ['an IPv4 host', `smp://${fingerprint}@127.0.0.1`, { keyHash, hosts: ['127.0.0.1'], port: '' }],
  ['an IPv6 host', `smp://${fingerprint}@2001:db8::1`, { keyHash, hosts: ['2001:db8::1'], port: '' }],
  [
    'an IPv6 host and a port',
    `smp://${fingerprint}@[2001:db8::1]:443`,
    { keyHash, hosts: ['2001:db8::1'], port: '443' },
  ],
  [
    'an IPv6 host before another',
    `smp://${fingerprint}@::1,a.example:1`,
    { keyHash, hosts: ['::1', 'a.example'], port: '1' },
  ],
  [
    'a password beyond ASCII',
    `smp://${fingerprint}:gr\u00f6n@a.example`,
    { keyHash, password: 'gr\u00c3\u00b6n', hosts: ['a.example'], port: '' },
  ],
]

describe('the address of a relay as text', () => {
  it.each(known)('with %s', (_name, text, address) => {
    expect(parseServerAddress(text)).toEqual(address)
    expect(formatServerAddress(address)).toBe(text)
  })

  it('may lack the padding of the fingerprint, and is printed with it', () => {
    const address = parseServerAddress(`smp://${fingerprint.slice(0, -1)}@a.example`)
    expect(address && formatServerAddress(address)).toBe(`smp://${fingerprint}@a.example`)
  })

  it('reads IPv6 without brackets as one address where it can', () => {
    expect(parseServerAddress(`smp://${fingerprint}@2001:db8::1:5223`)).toMatchObject({
      hosts: ['2001:db8::1:5223'],
      port: '',
    })
    expect(parseServerAddress(`smp://${fingerprint}@1:2:3:4:5:6:7:8:5223`)).toMatchObject({
      hosts: ['1:2:3:4:5:6:7:8'],
      port: '5223',
    })
  })

  it.each([
    'smp://@a.example',
    `xftp://${fingerprint}@a.example`,
    `smp://${fingerprint}`,
    `smp://${fingerprint}@`,
    `smp://${fingerprint}@a.example:`,
    `smp://${fingerprint}@a.example:0`,
    `smp://${fingerprint}@a.example:65536`,
    `smp://${fingerprint}@a.example:44x`,
    `smp://${fingerprint}@a.example:1:2`,
    `smp://${fingerprint}@a.example/`,
    `smp://${fingerprint}@a.example,`,
    `smp://${fingerprint}@a.example#`,
    `smp://${fingerprint}@a.example `,
    ` smp://${fingerprint}@a.example`,
    `smp://${fingerprint}:@a.example`,
    `smp://${fingerprint}:a b@a.example`,
    `smp://${fingerprint}:a:b@a.example`,
    `smp://${fingerprint}:a/b@a.example`,
    `smp://${fingerprint}:a@b@a.example`,
    `smp://${fingerprint.slice(0, 42)}@a.example`,
    `smp://${fingerprint}AAAA@a.example`,
    `smp://${fingerprint}@192.168.0.1.example`,
    'smp://LcJUMfVhwD8yxjAiSaDzzGF3+kLG4Uh0Fl/ZIjrRwjI=@a.example',
  ])('%j is refused', (text) => {
    expect(parseServerAddress(text)).toBeUndefined()
  })
})

describe('the address of a relay in PRXY', () => {
  it('is its hosts, port and fingerprint', () => {
    const address = { keyHash, hosts: ['smp.example.com', onion], port: '443' }
    const bytes = concat('\x02', short('smp.example.com'), short(onion), short('443'), short(keyHash))
    const w = new Writer()
    writeRelayAddress(w, address)
    expect(w.done()).toEqual(bytes)
    expect(parseWhole(bytes, readRelayAddress)).toEqual(address)
  })
})

describe('hosts', () => {
  it.each([
    ['1.2.3.4', '1.2.3.4'],
    ['001.002.003.004', '1.2.3.4'],
    ['255.255.255.255', '255.255.255.255'],
    ['1.2.3.256', '1.2.3.256'],
    ['1.2.3.example', '1.2.3.example'],
    ['::1', '::1'],
    ['[::1]', '::1'],
    ['2001:0DB8:0:0:0:0:0:1', '2001:db8::1'],
    [onion, onion],
    ['abc.onion', 'abc.onion'],
    ['localhost', 'localhost'],
    ['smp1.simplex.im', 'smp1.simplex.im'],
    ['xn--bcher-kva.example', 'xn--bcher-kva.example'],
    ['smp_1.example.', 'smp_1.example.'],
  ])('%s is %s', (text, canonical) => {
    expect(canonicalHost(text)).toBe(canonical)
    expect(canonicalHost(canonical)).toBe(canonical)
  })

  it.each([
    '',
    '1.2.3.4.example',
    '1.2.3.4.5',
    '1.2.3.4x',
    '1.2.3.4.',
    'ABC.onion',
    'a.b.onion',
    '.onion',
    'a:b',
    'a#b',
    'a,b',
    'a;b',
    'a/b',
    'a b',
    'a\nb',
    'a\rb',
    'a\tb',
    'a\0b',
    'a@b',
    'a..b',
    '.a',
    'a..',
    'bücher.example',
    'abc\u3002onion',
    'abc.on\u00adion',
    'a%2eonion',
    '[a]',
    '[::1',
    '::1]',
    '[1.2.3.4]',
    '::1%eth0',
    '1:2:3:4:5:6:7:8:9',
  ])('%j is none', (text) => {
    expect(canonicalHost(text)).toBeUndefined()
  })

  it('say whether only Tor can reach them', () => {
    expect([onion, 'onion.example'].map(isOnion)).toEqual([true, false])
  })
})

describe('ports', () => {
  it.each([
    ['', 5223],
    ['443', 443],
    ['65535', 65535],
    ['0', undefined],
    ['65536', undefined],
    ['-1', undefined],
    ['5223 ', undefined],
    ['0x10', undefined],
    ['1e3', undefined],
  ])('%j is %s', (text, port) => {
    expect(portNumber(text)).toBe(port)
  })
})
