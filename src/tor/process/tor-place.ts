import { AppError } from '../../errors/app-error.ts'
import type { ControlEndpoint } from '../control/endpoint.ts'

/*
 * Where Debian keeps the tors that systemd runs: tor@default, the machine's own, and instances made with
 * tor-instance-create.
 */

export interface TorPlace {
  /** NAME of tor@NAME. */
  readonly instance: string
  readonly unit: string
  readonly user: string
  /** The file that smp-server writes. */
  readonly torrc: string
  /** The torrc that includes it; absent where that file is the whole torrc. */
  readonly mainTorrc?: string
  /** The HiddenServiceDir of the relay's service in mode torrc. */
  readonly serviceDirectory: string
  /** A directory that belongs to tor's user. */
  readonly dataDirectory: string
  /** What the unit gives its tor as --defaults-torrc; in it `@@NAME@@` stands for the instance. */
  readonly defaults: string
  readonly control: ControlEndpoint
}

/**
 * @param instance `default`, or a name that tor-instance-create accepts
 * @throws AppError `TOR_INSTANCE_NAME`
 */
export function torPlace(instance: string): TorPlace {
  if (instance === 'default') {
    return {
      instance,
      unit: 'tor@default',
      user: 'debian-tor',
      torrc: '/etc/tor/torrc.d/smp-server.conf',
      mainTorrc: '/etc/tor/torrc',
      serviceDirectory: '/var/lib/tor/simplex-smp',
      dataDirectory: '/var/lib/tor',
      defaults: '/usr/share/tor/tor-service-defaults-torrc',
      control: { type: 'unix', path: '/run/tor/control' },
    }
  }
  if (!/^[A-Za-z0-9]{1,24}$/.test(instance)) {
    const remedy = 'Use up to 24 letters and digits, for example --instance smp.'
    throw new AppError('TOR_INSTANCE_NAME', `A tor instance cannot be named ${JSON.stringify(instance)}.`, remedy)
  }
  const dataDirectory = `/var/lib/tor-instances/${instance}`
  return {
    instance,
    unit: `tor@${instance}`,
    user: `_tor-${instance}`,
    torrc: `/etc/tor/instances/${instance}/torrc`,
    serviceDirectory: `${dataDirectory}/simplex-smp`,
    dataDirectory,
    defaults: '/usr/share/tor/tor-service-defaults-torrc-instances',
    control: { type: 'unix', path: `/run/tor-instances/${instance}/control` },
  }
}

/** The instance that is run with this torrc. */
export function instanceOf(torrc: string): string | undefined {
  if (torrc === '/etc/tor/torrc') return 'default'
  return /^\/etc\/tor\/instances\/([A-Za-z0-9]+)\/torrc$/.exec(torrc)?.[1]
}
