import type { ConnectFailure } from '../../transport/failure.ts'
import type { Front } from '../../transport/front-probe.ts'
import type { RequestFailure } from '../../transport/relay-client.ts'
import { isOnion } from '../../protocol/host.ts'

/*
 * What a proof that failed means for the operator: in one sentence what is wrong, in another what to do.
 */

/** tor: a client that is connected to the Tor network. reach: to the host and port, through tor or not. */
export type CheckStepName = 'tor' | 'connect' | 'tls' | 'certificate' | 'hello' | 'ping'

/** client: a tor client of our own. socks: somebody's SOCKS port. direct: without tor. */
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
  /** What the transport saw, one sentence. */
  readonly detail: string
}

const again = 'This often passes by itself: try again in a minute.'
const startRelay = 'Start the relay (`smp-server start`, or `systemctl start smp-server`)'

/** Explains why a connection did not come about. */
export function explainConnect(failure: ConnectFailure, host: string, port: number, via: CheckVia): CheckFault {
  const { reason, detail } = failure
  const place = { host, port, via, detail }
  const explained = isOnion(host)
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
  const remedy = 'Look into the log of the relay; restart it if this goes on.'
  switch (failure.type) {
    case 'timeout':
      return { step: 'ping', code: 'PING_TIMEOUT', message: 'The relay did not answer PING in time.', remedy }
    case 'closed':
      return { step: 'ping', code: 'PING_CLOSED', message: 'The connection ended before PING was answered.', remedy }
    default:
      return { step: 'ping', code: 'PING_ANSWER', message: 'The relay answered PING with something else.', remedy }
  }
}

function stepOf({ step, reason }: ConnectFailure): CheckStepName {
  if (step === 'tls' && reason === 'identity') return 'certificate'
  if (step === 'handshake') return 'hello'
  return step === 'address' ? 'connect' : step
}

/** What only onion services have; `undefined` for what all relays have. */
function explainOnion(reason: ConnectFailure['reason'], { host, port, via, detail }: Place): Explained | undefined {
  switch (reason) {
    case 'descriptorNotFound':
      return {
        code: 'ONION_NOT_PUBLISHED',
        message: `The Tor network has no descriptor of ${host}: nobody can find the onion service.`,
        remedy: `${startRelay} and wait until \`smp-server tor status\` says published; after the first start that takes up to a minute.`,
      }
    case 'refused':
      return {
        code: 'ONION_REFUSED',
        message: `The onion service is there, but behind it nobody listens on port ${port}: the relay does not run, or listens on other ports.`,
        remedy: `${startRelay}; if it runs, compare port in [TRANSPORT] with port ${port} and restart it.`,
      }
    case 'unreachable':
      return {
        code: 'ONION_UNREACHABLE',
        message: `The onion service could not be reached. ${detail}`,
        remedy:
          via === 'socks'
            ? `${startRelay}; \`smp-server tor status\` says whether the service is published. That SOCKS port tells no more; a tor client of this check, or ExtendedErrors in the SocksPort line of that tor, does.`
            : `${startRelay}, if it does not run. If it runs, it may just have been restarted: try again in a minute, then look at \`smp-server tor status\`.`,
      }
    case 'authorizationNeeded':
      return {
        code: 'ONION_AUTHORIZATION',
        message: 'The onion service admits only clients that it knows, so no user can reach it.',
        remedy: 'Take client authorisation for this service out of the torrc, and restart that tor.',
      }
    case 'noHost':
      return {
        code: 'ONION_NAME',
        message: `${host} is not an onion name that tor knows.`,
        remedy: 'Correct the name in [TRANSPORT] host; `smp-server tor status` says which one is right.',
      }
    case 'timeout':
      return {
        code: 'ONION_TIMEOUT',
        message: `The onion service did not answer in time. ${detail}`,
        remedy: `${startRelay}, if it does not run. If it runs, try again in a minute, then look at the network of this machine.`,
      }
    default:
      return undefined
  }
}

/** What concerns the way to public names. */
function explainPublic(reason: ConnectFailure['reason'], { host, port, via, detail }: Place): Explained | undefined {
  const at = `${host} port ${port}`
  switch (reason) {
    case 'unresolved':
      return {
        code: 'HOST_UNRESOLVED',
        message: `DNS does not know ${host}. ${detail}`,
        remedy: 'Make an A or AAAA record for it that points to this machine, or correct [TRANSPORT] host.',
      }
    case 'refused':
      return {
        code: 'HOST_REFUSED',
        message: `Nobody listens at ${at}: the relay does not run, listens on other ports, or a firewall refuses.`,
        remedy: `${startRelay}; then look at the firewall and at the forwarding of port ${port} in the router.`,
      }
    case 'unreachable':
    case 'noHost':
      return {
        code: 'HOST_UNREACHABLE',
        message: `${at} cannot be reached. ${detail}`,
        remedy: 'Check that the name leads to this machine, and the network between.',
      }
    case 'timeout':
      return {
        code: 'HOST_TIMEOUT',
        message: `${at} did not answer in time. ${detail}`,
        remedy:
          via === 'direct'
            ? `Look for a firewall that drops port ${port}. Behind a router that does not lead its own public address back inside, check through --socks.`
            : `Look for a firewall that drops port ${port}; some exits of the Tor network do not let it through.`,
      }
    default:
      return undefined
  }
}

/** What concerns every relay, however it is reached. */
function explainRelay(reason: ConnectFailure['reason'], { host, port, detail }: Place): Explained {
  switch (reason) {
    case 'proxyUnavailable':
      return {
        code: 'SOCKS_UNAVAILABLE',
        message: detail,
        remedy:
          'Check that tor runs, and that --socks or [PROXY] socks_proxy names its SOCKS port; without both a tor client is started for the check.',
      }
    case 'identity':
      return {
        code: 'OTHER_RELAY',
        message: `Not the relay of this address answers at ${host} port ${port}. ${detail}`,
        remedy:
          'If another relay listens on this port, stop it or change the port. After a change of the certificates restart the relay; if its certificate has run out, `smp-server cert` makes a new one.',
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
        message: `What answers at ${host} port ${port} does not speak TLS as a relay does. ${detail}`,
        remedy: `Find out which program listens on port ${port} (ss -ltnp), and give it another port.`,
      }
    case 'version':
    case 'protocol':
    case 'service':
      return {
        code: 'NO_SMP',
        message: `What answers at ${host} port ${port} does not speak SMP as this relay does. ${detail}`,
        remedy: `Find out which program listens on port ${port} (ss -ltnp).`,
      }
    default:
      return {
        code: reason === 'timeout' ? 'RELAY_TIMEOUT' : 'RELAY_CLOSED',
        message: detail,
        remedy: `${again} If it goes on, look into the log of the relay.`,
      }
  }
}
