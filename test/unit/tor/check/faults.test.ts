import { describe, expect, it } from 'vitest'
import { explainConnect, explainFront, explainPing } from '../../../../src/tor/check/faults.ts'
import type { ConnectReason, ConnectStep } from '../../../../src/transport/failure.ts'

const onion = 'elbqz43n4fepvyrxgjwsvpylse2m7u4b4i2dzroxuno644wou3sorwad.onion'
const detail = 'What the transport saw.'

describe('a failed check of an onion address', () => {
  it.each<[ConnectStep, ConnectReason, string, string, RegExp, RegExp]>([
    ['connect', 'descriptorNotFound', 'connect', 'ONION_NOT_PUBLISHED', /no descriptor of .*\.onion/, /tor status/],
    ['connect', 'refused', 'connect', 'ONION_REFUSED', /nothing listens on port 5223/, /Start the relay/],
    ['connect', 'unreachable', 'connect', 'ONION_UNREACHABLE', /What the transport saw\./, /retry in a minute/],
    [
      'connect',
      'authorizationNeeded',
      'connect',
      'ONION_AUTHORIZATION',
      /requires client authorization/,
      /authorized_clients/,
    ],
    ['connect', 'noHost', 'connect', 'ONION_NAME', /not a valid onion address/, /host under \[TRANSPORT\]/],
    ['connect', 'timeout', 'connect', 'ONION_TIMEOUT', /did not answer in time/, /in a minute/],
    ['connect', 'proxyUnavailable', 'connect', 'SOCKS_UNAVAILABLE', /What the transport saw\./, /--socks/],
    ['tls', 'timeout', 'tls', 'ONION_TIMEOUT', /did not answer in time/, /network of this machine/],
    ['tls', 'tls', 'tls', 'NO_TLS', /does not speak TLS/, /ss -ltnp/],
    ['tls', 'identity', 'certificate', 'OTHER_RELAY', /A different server answers/, /smp-server cert/],
    ['handshake', 'identity', 'hello', 'OTHER_RELAY', /A different server answers/, /another relay/],
    ['handshake', 'session', 'hello', 'TLS_INTERCEPTED', /What the transport saw\./, /pass-through/],
    ['handshake', 'version', 'hello', 'NO_SMP', /does not speak SMP/, /ss -ltnp/],
    ['handshake', 'protocol', 'hello', 'NO_SMP', /does not speak SMP/, /ss -ltnp/],
    ['handshake', 'closed', 'hello', 'RELAY_CLOSED', /What the transport saw\./, /log of the relay/],
  ])('a check that fails at %s with %s fails at step %s with code %s', (step, reason, at, code, message, remedy) => {
    const fault = explainConnect({ step, reason, detail }, { host: onion, port: 5223 }, 'client')
    expect(fault).toMatchObject({ step: at, code })
    expect(fault.message).toMatch(message)
    expect(fault.remedy).toMatch(remedy)
  })

  it.each(['refused', 'unreachable'] as const)(
    'a connection that is %s behind a tor elsewhere names its target',
    (reason) => {
      const at = { host: onion, port: 5223, behind: 'relay.internal:5223' }
      const { message, remedy } = explainConnect({ step: 'connect', reason, detail }, at, 'socks')
      expect(message).toContain('its tor cannot connect to relay.internal:5223')
      expect(remedy).toContain('target under [TOR]')
    },
  )

  it('a failed check through a SOCKS port points to the check that says more', () => {
    const { remedy } = explainConnect(
      { step: 'connect', reason: 'unreachable', detail },
      { host: onion, port: 5223 },
      'socks',
    )
    expect(remedy).toMatch(/ExtendedErrors/)
  })
})

describe('a failed check of a public host', () => {
  it.each<[ConnectStep, ConnectReason, string, RegExp, RegExp]>([
    ['connect', 'unresolved', 'HOST_UNRESOLVED', /DNS has no record of relay\.example/, /A or AAAA record/],
    ['connect', 'refused', 'HOST_REFUSED', /Nothing accepts connections at relay\.example port 443/, /firewall/],
    ['connect', 'unreachable', 'HOST_UNREACHABLE', /is not reachable/, /network/],
    ['address', 'noHost', 'HOST_UNREACHABLE', /is not reachable/, /network/],
    ['connect', 'timeout', 'HOST_TIMEOUT', /did not answer in time/, /drops port 443.*--socks/],
    ['tls', 'tls', 'NO_TLS', /does not speak TLS/, /port 443/],
    ['tls', 'identity', 'OTHER_RELAY', /relay\.example port 443/, /smp-server cert/],
    ['handshake', 'timeout', 'RELAY_TIMEOUT', /What the transport saw\./, /log of the relay/],
  ])('a check of a public host that fails at %s with %s has the code %s', (step, reason, code, message, remedy) => {
    const fault = explainConnect({ step, reason, detail }, { host: 'relay.example', port: 443 }, 'direct')
    expect(fault.code).toBe(code)
    expect(fault.message).toMatch(message)
    expect(fault.remedy).toMatch(remedy)
  })
})

it.each([
  [{ type: 'timeout' } as const, 'PING_TIMEOUT'],
  [{ type: 'closed' } as const, 'PING_CLOSED'],
  [{ type: 'response', bytes: Buffer.alloc(1) } as const, 'PING_ANSWER'],
])('a PING that failed with %j has the code %s', (failure, code) => {
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
