import type { OnionMode } from '../onion/record.ts'
import { type TorrcLine, torrcLines } from './torrc-lines.ts'

/** An onion service that a torrc defines. */
export interface HiddenService {
  /** The torrc that tor is run with. */
  readonly torrc: string
  readonly directory: string
  /** Virtual ports. */
  readonly ports: readonly number[]
  /** Of all services of that torrc. */
  readonly mode: OnionMode
  /** Its own lines, which may stand in included files. */
  readonly lines: readonly TorrcLine[]
}

/** All services of some torrc files. */
export async function hiddenServices(torrcs: readonly string[]): Promise<HiddenService[]> {
  return (await Promise.all(torrcs.map(async (torrc) => servicesOf(torrc, await torrcLines(torrc))))).flat()
}

/** Options that speak of a tor as a whole, although their names begin like those of a service. */
const ofTheWholeTor = new Set([
  'hiddenservicenonanonymousmode',
  'hiddenservicesinglehopmode',
  'hiddenservicestatistics',
])

/** A service is its HiddenServiceDir line and all lines about services up to the next one. */
export function servicesOf(torrc: string, lines: readonly TorrcLine[]): HiddenService[] {
  const isSingleHop = lines.findLast(({ name }) => name === 'hiddenservicenonanonymousmode')?.value === '1'
  const own = lines.filter(({ name }) => name.startsWith('hiddenservice') && !ofTheWholeTor.has(name))
  const starts = own.flatMap(({ name }, index) => (name === 'hiddenservicedir' ? [index] : []))
  return starts.map((start, index) => {
    const service = own.slice(start, starts[index + 1])
    const ports = service
      .filter(({ name }) => name === 'hiddenserviceport')
      .map(({ value }) => Number.parseInt(value, 10))
    const directory = service[0]?.value ?? ''
    return { torrc, directory, ports, mode: isSingleHop ? 'single-hop' : 'anonymous', lines: service }
  })
}
