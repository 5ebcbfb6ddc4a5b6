import type { ConnectFailure } from '../../transport/failure.ts'
import type { Front } from '../../transport/front-probe.ts'
import type { RequestFailure } from '../../transport/relay-client.ts'
import { isOnion } from '../../protocol/host.ts'

/*
 * What a failed check means for the operator: one sentence that says what is wrong, one that says what to do.
 */

/** tor: a client is connected to the Tor network. connect: to the host and port, through tor or not. */
export type CheckStepName = 'tor' | 'connect' | 'tls' | 'certificate' | 'hello' | 'ping'

/** client: a tor client of the check. socks: the SOCKS port of another tor. direct: without tor. */
export type CheckVia = 'client' | 'socks' | 'direct'

export interface CheckFault {
  readonly step: CheckStepName
  /** Stable and short, e.g. `ONION_NOT_PUBLISHED`. */
  readonly code: string
  readonly message: string
  readonly remedy: string
}

type Explained = Omit<CheckFault, 'step'>

interface Place {
  readonly host: string
  readonly port: number
  readonly via: CheckVia
  /** What a tor elsewhere connects to for the onion service. */
  readonly behind?: string | undefined
  /** What the transport saw, one sentence. */
  readonly detail: string
}

const START_RELAY = 'Start the relay: `smp-server start`, or `systemctl start smp-server`.'

/** Explains why a connection failed. */
export function explainConnect(
  failure: ConnectFailure,
  at: Pick<Place, 'host' | 'port' | 'behind'>,
  via: CheckVia,
): CheckFault {
  const { reason, detail } = failure
  const place = { ...at, via, detail }
  const explained = isOnion(at.host)
    ? explainOnion(reason, place)
    : failure.step === 'tls' || failure.step === 'handshake'
      ? undefined
      : explainPublic(reason, place)
  return { step: stepOf(failure), ...(explained ?? explainRelay(reason, place)) }
}

/** Explains a fault by what stands in front of the relay. */
export function explainFront(front: Front, { step }: CheckFault, at: Pick<Place, 'host' | 'port'>): CheckFault {
  const remedy = `Pass the TCP connection on unchanged: apps send no server name, and only the relay may end TLS. docs/web.md shows this for Caddy, nginx, HAProxy and Traefik.`
  const place = `${at.host} port ${at.port}`
  switch (front.type) {
    case 'PROXY header':
      return {
        step,
        code: 'FRONT_PROXY_HEADER',
        message: `The proxy at ${place} sends a PROXY header to the relay.`,
        remedy: 'Turn that off in the proxy (send-proxy, proxy_protocol) and pass the TCP connection on unchanged.',
      }
    case 'server name':
      return {
        step,
        code: 'FRONT_SERVER_NAME',
        message: `The proxy at ${place} passes on only connections that name the server (SNI), and apps name none.`,
        remedy,
      }
    case 'ends TLS':
      return {
        step,
        code: 'FRONT_ENDS_TLS',
        message: `At ${place} something else than the relay ends TLS, with a certificate for ${front.names}.`,
        remedy,
      }
  }
}

/** Explains why the relay did not answer PING after everything before had succeeded. */
export function explainPing(failure: RequestFailure): CheckFault {
  const remedy = 'Check the log of the relay. If this continues, restart it.'
  switch (failure.type) {
    case 'timeout':
      return { step: 'ping', code: 'PING_TIMEOUT', message: 'The relay did not answer PING in time.', remedy }
    case 'closed':
      return {
        step: 'ping',
        code: 'PING_CLOSED',
        message: 'The relay closed the connection before it answered PING.',
        remedy,
      }
    default:
      return { step: 'ping', code: 'PING_ANSWER', message: 'The relay answered PING with something else.', remedy }
  }
}

function stepOf({ step, reason }: ConnectFailure): CheckStepName {
  if (step === 'tls' && reason === 'identity') return 'certificate'
  if (step === 'handshake') return 'hello'
  return step === 'address' ? 'connect' : step
}

/** Faults of onion services; `undefined` for those of every relay. */
function explainOnion(reason: ConnectFailure['reason'], place: Place): Explained | undefined {
  const { host, port, via, behind, detail } = place
  const checkTarget =
    'check target under [TOR], listen_host under [TRANSPORT], and the firewall between that tor and the relay.'
  switch (reason) {
    case 'descriptorNotFound':
      return {
        code: 'ONION_NOT_PUBLISHED',
        message: `The Tor network has no descriptor of ${host}: the onion service is not published.`,
        remedy: `${START_RELAY} It is published within a minute; \`smp-server tor status\` shows when.`,
      }
    case 'refused':
      if (behind !== undefined) {
        return {
          code: 'ONION_TARGET',
          message: `The onion service is published, but its tor cannot connect to ${behind}, where this relay should be.`,
          remedy: `${START_RELAY} If it is running, ${checkTarget}`,
        }
      }
      return {
        code: 'ONION_REFUSED',
        message: `The onion service is published, but nothing listens on port ${port} behind it: the relay is not running, or listens on other ports.`,
        remedy: `${START_RELAY} If it is running, compare port under [TRANSPORT] with port ${port}, and restart it.`,
      }
    case 'unreachable':
      if (behind !== undefined) {
        return {
          code: 'ONION_UNREACHABLE',
          message: `The onion service is not reachable: it is not published, or its tor cannot connect to ${behind}. ${detail}`,
          remedy: `If \`smp-server tor status\` shows that it is published, ${checkTarget}`,
        }
      }
      return {
        code: 'ONION_UNREACHABLE',
        message: `The onion service is not reachable. ${detail}`,
        remedy:
          via === 'socks'
            ? 'Run `smp-server tor check` without --socks: its own tor client tells more. (ExtendedErrors in the SocksPort line of that tor would, too.)'
            : 'If the relay was just started or restarted, retry in a minute. `smp-server tor status` shows whether the service is published.',
      }
    case 'authorizationNeeded':
      return {
        code: 'ONION_AUTHORIZATION',
        message: 'The onion service requires client authorization, so no user can reach it.',
        remedy: 'Delete the .auth files in authorized_clients of its HiddenServiceDir, and restart that tor.',
      }
    case 'noHost':
      return {
        code: 'ONION_NAME',
        message: `${host} is not a valid onion address.`,
        remedy: 'Correct host under [TRANSPORT]; `smp-server tor status` shows the right address.',
      }
    case 'timeout':
      return {
        code: 'ONION_TIMEOUT',
        message: `The onion service did not answer in time. ${detail}`,
        remedy: 'Retry in a minute. If it fails again, check the network of this machine, and `smp-server tor status`.',
      }
    default:
      return undefined
  }
}

/** Faults on the way to a public host. */
function explainPublic(reason: ConnectFailure['reason'], { host, port, via, detail }: Place): Explained | undefined {
  const at = `${host} port ${port}`
  switch (reason) {
    case 'unresolved':
      return {
        code: 'HOST_UNRESOLVED',
        message: `DNS has no record of ${host}. ${detail}`,
        remedy: 'Add an A or AAAA record that points to this machine, or correct host under [TRANSPORT].',
      }
    case 'refused':
      return {
        code: 'HOST_REFUSED',
        message: `Nothing accepts connections at ${at}: the relay is not running, listens on other ports, or a firewall rejects them.`,
        remedy: `${START_RELAY} If it is running, check the firewall, and that the router forwards port ${port}.`,
      }
    case 'unreachable':
    case 'noHost':
      return {
        code: 'HOST_UNREACHABLE',
        message: `${at} is not reachable. ${detail}`,
        remedy: 'Check that the host is this machine, and the network in between.',
      }
    case 'timeout':
      return {
        code: 'HOST_TIMEOUT',
        message: `${at} did not answer in time. ${detail}`,
        remedy:
          via === 'direct'
            ? `Check for a firewall that drops port ${port}. Behind a router without hairpin NAT, check through a tor: --socks 127.0.0.1:9050`
            : `Check for a firewall that drops port ${port}. Some exits of the Tor network do not allow this port.`,
      }
    default:
      return undefined
  }
}

/** Faults of every relay, however it is reached. */
function explainRelay(reason: ConnectFailure['reason'], { host, port, detail }: Place): Explained {
  switch (reason) {
    case 'proxyUnavailable':
      return {
        code: 'SOCKS_UNAVAILABLE',
        message: detail,
        remedy:
          'Check that this tor runs, and that --socks or socks_proxy under [PROXY] is its SOCKS port. Without both, the check starts a tor client.',
      }
    case 'identity':
      return {
        code: 'OTHER_RELAY',
        message: `A different server answers at ${host} port ${port}. ${detail}`,
        remedy:
          'If another relay uses this port, stop it or change the port. After a change of the certificates, restart the relay; if its certificate has expired, renew it with `smp-server cert`.',
      }
    case 'session':
      return {
        code: 'TLS_INTERCEPTED',
        message: detail,
        remedy: 'Do not terminate TLS in front of the relay; use TCP pass-through.',
      }
    case 'tls':
      return {
        code: 'NO_TLS',
        message: `The server at ${host} port ${port} does not speak TLS like a relay. ${detail}`,
        remedy: `Find the program on port ${port} with \`ss -ltnp\`, and move it to another port.`,
      }
    case 'version':
    case 'protocol':
    case 'service':
      return {
        code: 'NO_SMP',
        message: `The server at ${host} port ${port} does not speak SMP like this relay. ${detail}`,
        remedy: `Find the program on port ${port} with \`ss -ltnp\`.`,
      }
    default:
      return {
        code: reason === 'timeout' ? 'RELAY_TIMEOUT' : 'RELAY_CLOSED',
        message: detail,
        remedy: 'Retry in a minute. If it fails again, check the log of the relay.',
      }
  }
}
