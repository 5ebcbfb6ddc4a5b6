import type { PortHolder } from '../../transport/port-holder.ts'
import type { Finding } from './findings.ts'
import type { PortFact } from './relay-ports.ts'

/*
 * What the listeners at its targets mean for an onion service. No I/O.
 */

/** The port that clients use when the address has none. */
const DEFAULT_PORT = 5223

/** @param ini the path of the INI file */
export function portFindings(facts: readonly PortFact[], ini: string): Finding[] {
  const smp = facts.filter(({ serves }) => serves === 'smp')
  const runs = smp.some(({ listener }) => listener === 'relay')
  const isDown = smp.every(({ listener }) => listener === 'none')
  const down: Finding = {
    level: 'note',
    code: 'RELAY_DOWN',
    text: 'The relay is not running. The onion address works once it runs.',
  }
  return [
    ...(smp.length > 0 && isDown ? [down] : []),
    ...unique(smp).flatMap((fact) => smpFindings(fact, runs, ini)),
    ...unique(facts.filter(({ serves }) => serves === 'web')).flatMap((fact) => webFindings(fact, runs, ini)),
  ]
}

/** Two virtual ports may have one target; the default port of clients counts. */
function unique(facts: readonly PortFact[]): PortFact[] {
  const usual = facts.find(({ virtualPort }) => virtualPort === DEFAULT_PORT)
  return [...(usual ? [usual] : []), ...facts.filter(({ port }) => port !== usual?.port)]
}

function smpFindings({ virtualPort, port, listener, holder }: PortFact, runs: boolean, ini: string): Finding[] {
  const elsewhere = `change port under [TRANSPORT] of ${ini}`
  const stopIt = `Stop that program, or ${elsewhere}.`
  switch (listener) {
    case 'relay':
      return []
    case 'none': {
      if (!runs) return []
      const text = `The relay is running, but nothing listens on its port ${port}, so the onion address will not work there.`
      return [{ level: 'note', code: 'PORT_CLOSED', text, remedy: `Check its log, or ${elsewhere}.` }]
    }
    case 'silent': {
      const text = `${nameOf(holder)} listens on port ${port} and does not answer like this relay.`
      return [{ level: 'note', code: 'PORT_SILENT', text, remedy: stopIt }]
    }
    case 'other': {
      const text = `${nameOf(holder)} listens on port ${port}, not this relay. The onion address would lead to it.`
      const level = virtualPort === DEFAULT_PORT ? 'stop' : 'note'
      return [{ level, code: 'PORT_OTHER', text, remedy: stopIt }]
    }
  }
}

function webFindings({ port, listener, holder }: PortFact, runs: boolean, ini: string): Finding[] {
  const where = `port ${port} of [WEB]`
  if (listener === 'other') {
    const text = `${nameOf(holder)} listens on ${where}, not this relay. The onion address would lead to it.`
    const remedy = `Stop that program, or set another port under [WEB] of ${ini}.`
    return [{ level: 'note', code: 'PAGES_OTHER', text, remedy }]
  }
  if (listener !== 'none' || !runs) return []
  const text = `The relay is running, but nothing listens on ${where}, so the onion address has no web site.`
  return [{ level: 'note', code: 'PAGES_CLOSED', text, remedy: 'Check its log, or restart it.' }]
}

function nameOf(holder: PortHolder | undefined): string {
  return holder ? `${holder.name} (process ${holder.pid})` : 'Another program'
}
