import type { OnionPort } from '../control/onion.ts'
import { type OnionShape, plainShape } from '../onion/config.ts'
import { socksAddress } from './own-tor.ts'
import { readTemplate, renderTorrc, type TorrcExtra, torrcValue } from './torrc.ts'

/** A torrc of the system for the relay's service. */
export interface InstanceTorrcOptions {
  readonly shape?: OnionShape | undefined
  /** Of an anonymous tor. */
  readonly socksPort?: number | undefined
  /** The service is tor's own: it keeps the key in this directory, and the relay has no access to tor. */
  readonly managed?: { readonly directory: string; readonly ports: readonly OnionPort[] } | undefined
  /** Defence of the introduction points against floods; tor has it for services of a torrc only. */
  readonly introDefence?: boolean | undefined
}

/** The whole text: template, service, and the operator's lines. */
export async function instanceTorrc(options: InstanceTorrcOptions, extra: TorrcExtra | undefined): Promise<string> {
  const { shape = plainShape, socksPort, managed } = options
  const template = await readTemplate(shape.mode === 'anonymous' ? 'instance-anonymous' : 'instance')
  const lines = managed ? serviceLines(options, shape, managed) : keptByRelay
  return renderTorrc(`${template}\n${lines.join('\n')}\n`, { SOCKS_PORT: socksAddress(socksPort) }, extra)
}

const keptByRelay = [
  '# There is no HiddenServiceDir: smp-server keeps the key and hands the service to this tor at every start.',
]

function serviceLines(
  { introDefence = false }: InstanceTorrcOptions,
  { pow = false, maxStreams }: OnionShape,
  { directory, ports }: NonNullable<InstanceTorrcOptions['managed']>,
): string[] {
  return [
    '# The service and its key belong to this tor; smp-server has no access to it.',
    `HiddenServiceDir ${torrcValue(directory)}`,
    ...ports.map(({ virtualPort, target }) => `HiddenServicePort ${virtualPort} ${target}`),
    ...(maxStreams === undefined
      ? []
      : [`HiddenServiceMaxStreams ${maxStreams}`, 'HiddenServiceMaxStreamsCloseCircuit 1']),
    ...(pow ? ['HiddenServicePoWDefensesEnabled 1'] : []),
    ...(introDefence ? ['HiddenServiceEnableIntroDoSDefense 1'] : []),
  ]
}
