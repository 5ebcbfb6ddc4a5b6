import { describe, expect, it } from 'vitest'
import { explainConnect, explainFront, explainPing } from '../../../../src/tor/check/faults.ts'
import type { ConnectReason, ConnectStep } from '../../../../src/transport/failure.ts'

const onion = 'elbqz43n4fepvyrxgjwsvpylse2m7u4b4i2dzroxuno644wou3sorwad.onion'
const detail = 'What the transport saw.'

describe('a proof through an onion name that failed', () => {
  it.each<[ConnectStep, ConnectReason, string, string, RegExp, RegExp]>([
    ['connect', 'descriptorNotFound', 'connect', 'ONION_NOT_PUBLISHED', /no descriptor of .*\.onion/, /tor status/],
    ['connect', 'refused', 'connect', 'ONION_REFUSED', /nobody listens on port 5223/, /Start the relay/],
    ['connect', 'unreachable', 'connect', 'ONION_UNREACHABLE', /What the transport saw\./, /try again in a minute/],
    ['connect', 'authorizationNeeded', 'connect', 'ONION_AUTHORIZATION', /only clients that it knows/, /torrc/],
    ['connect', 'noHost', 'connect', 'ONION_NAME', /not an onion name/, /\[TRANSPORT\] host/],
    ['connect', 'timeout', 'connect', 'ONION_TIMEOUT', /did not answer in time/, /in a minute/],
    ['connect', 'proxyUnavailable', 'connect', 'SOCKS_UNAVAILABLE', /What the transport saw\./, /--socks/],
    ['tls', 'timeout', 'tls', 'ONION_TIMEOUT', /did not answer in time/, /network of this machine/],
    ['tls', 'tls', 'tls', 'NO_TLS', /does not speak TLS/, /ss -ltnp/],
    ['tls', 'identity', 'certificate', 'OTHER_RELAY', /Not the relay of this address/, /smp-server cert/],
    ['handshake', 'identity', 'hello', 'OTHER_RELAY', /Not the relay of this address/, /another relay/],
    ['handshake', 'session', 'hello', 'TLS_INTERCEPTED', /What the transport saw\./, /pass-through/],
    ['handshake', 'version', 'hello', 'NO_SMP', /does not speak SMP/, /ss -ltnp/],
    ['handshake', 'protocol', 'hello', 'NO_SMP', /does not speak SMP/, /ss -ltnp/],
    ['handshake', 'closed', 'hello', 'RELAY_CLOSED', /What the transport saw\./, /log of the relay/],
  ])('%s %s: at %s, %s', (step, reason, at, code, message, remedy) => {
    const fault = explainConnect({ step, reason, detail }, onion, 5223, 'client')
    expect(fault).toMatchObject({ step: at, code })
    expect(fault.message).toMatch(message)
    expect(fault.remedy).toMatch(remedy)
  })

  it('through the SOCKS port of another tor, points to the check that says more', () => {
    const { remedy } = explainConnect({ step: 'connect', reason: 'unreachable', detail }, onion, 5223, 'socks')
    expect(remedy).toMatch(/ExtendedErrors/)
  })
})

describe('a proof through a public name that failed', () => {
  it.each<[ConnectStep, ConnectReason, string, RegExp, RegExp]>([
    ['connect', 'unresolved', 'HOST_UNRESOLVED', /DNS does not know relay\.example/, /A or AAAA record/],
    ['connect', 'refused', 'HOST_REFUSED', /Nobody listens at relay\.example port 443/, /firewall/],
    ['connect', 'unreachable', 'HOST_UNREACHABLE', /cannot be reached/, /network/],
    ['address', 'noHost', 'HOST_UNREACHABLE', /cannot be reached/, /network/],
    ['connect', 'timeout', 'HOST_TIMEOUT', /did not answer in time/, /drops port 443.*--socks/],
    ['tls', 'tls', 'NO_TLS', /does not speak TLS/, /port 443/],
    ['tls', 'identity', 'OTHER_RELAY', /relay\.example port 443/, /smp-server cert/],
    ['handshake', 'timeout', 'RELAY_TIMEOUT', /What the transport saw\./, /log of the relay/],
  ])('%s %s: %s', (step, reason, code, message, remedy) => {
    const fault = explainConnect({ step, reason, detail }, 'relay.example', 443, 'direct')
    expect(fault.code).toBe(code)
    expect(fault.message).toMatch(message)
    expect(fault.remedy).toMatch(remedy)
  })
})

it.each([
  [{ type: 'timeout' } as const, 'PING_TIMEOUT'],
  [{ type: 'closed' } as const, 'PING_CLOSED'],
  [{ type: 'response', bytes: Buffer.alloc(1) } as const, 'PING_ANSWER'],
])('a PING that failed with %j is %s', (failure, code) => {
  expect(explainPing(failure)).toMatchObject({ step: 'ping', code })
})

describe('explainFront', () => {
  const fault = { step: 'tls', code: 'NO_TLS', message: 'm', remedy: 'r' } as const
  const at = { host: 'relay.example', port: 443 }

  it.each([
    [{ type: 'PROXY header' }, 'FRONT_PROXY_HEADER', /sends a PROXY header/, /send-proxy, proxy_protocol/],
    [
      { type: 'server name' },
      'FRONT_SERVER_NAME',
      /name the server \(SNI\), and apps name none/,
      /apps send no server name/,
    ],
    [
      { type: 'ends TLS', names: 'a.example' },
      'FRONT_ENDS_TLS',
      /certificate for a\.example/,
      /only the relay may end TLS/,
    ],
  ] as const)('explains %o as %s', (front, code, message, remedy) => {
    const explained = explainFront(front, fault, at)
    expect(explained).toMatchObject({ step: 'tls', code })
    expect(explained.message).toMatch(message)
    expect(explained.message).toContain('relay.example port 443')
    expect(explained.remedy).toMatch(remedy)
  })
})
