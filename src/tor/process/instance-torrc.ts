import type { OnionPort } from '../control/onion.ts'
import { circuitLines, serviceOptionLines } from '../onion/configured-onions.ts'
import { type OnionServiceConfig, singleHopService } from '../onion/service-config.ts'
import { socksAddress } from './own-torrc.ts'
import type { TorrcExtra } from './torrc-extra.ts'
import { readTemplate, renderTorrc, torrcValue } from './torrc.ts'

/** The torrc of a tor of the system for the relay's service. */
export interface InstanceTorrcOptions {
  readonly service?: OnionServiceConfig | undefined
  /** Of an anonymous tor. */
  readonly socksPort?: number | undefined
  /** Mode torrc: the service and its key belong to tor, which keeps them in this directory. */
  readonly managed?: { readonly directory: string; readonly ports: readonly OnionPort[] } | undefined
  /** Rate limits at the introduction points; tor has them for services in a torrc only. */
  readonly introDefence?: boolean | undefined
}

/** The whole text: template, service, and the operator's lines. */
export async function instanceTorrc(options: InstanceTorrcOptions, extra: TorrcExtra | undefined): Promise<string> {
  const { service = singleHopService, socksPort, managed } = options
  const template = await readTemplate(service.type === 'anonymous' ? 'instance-anonymous' : 'instance')
  const lines = managed ? serviceLines(options, service, managed) : [WITHOUT_SERVICE]
  return renderTorrc(`${template}\n${lines.join('\n')}\n`, { SOCKS_PORT: socksAddress(socksPort) }, extra)
}

const WITHOUT_SERVICE =
  '# There is no HiddenServiceDir: smp-server keeps the onion key and adds the service to this tor at every start.'

function serviceLines(
  { introDefence = false }: InstanceTorrcOptions,
  service: OnionServiceConfig,
  { directory, ports }: NonNullable<InstanceTorrcOptions['managed']>,
): string[] {
  return [
    '# The service and its key belong to this tor; smp-server cannot access it.',
    `HiddenServiceDir ${torrcValue(directory)}`,
    ...ports.map(({ virtualPort, target }) => `HiddenServicePort ${virtualPort} ${target}`),
    ...[...(service.withCircuits === true ? circuitLines : []), ...serviceOptionLines(service)].map(
      ([option, value]) => `${option} ${value}`,
    ),
    ...(introDefence ? ['HiddenServiceEnableIntroDoSDefense 1'] : []),
  ]
}
