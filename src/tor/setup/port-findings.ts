import type { PortHolder } from '../../transport/port-holder.ts'
import type { Finding } from './findings.ts'
import type { PortFact } from './relay-ports.ts'

/*
 * What it means for an onion service who listens where it leads. No I/O.
 */

/** The port that clients use when an address names none. */
const usualPort = 5223

/** @param ini the path of the INI file */
export function judgePorts(facts: readonly PortFact[], ini: string): Finding[] {
  const smp = facts.filter(({ serves }) => serves === 'smp')
  const runs = smp.some(({ listener }) => listener === 'relay')
  const isDown = smp.every(({ listener }) => listener === 'none')
  const down: Finding = {
    level: 'note',
    code: 'RELAY_DOWN',
    text: 'The server is not running; the onion name will answer when it is.',
  }
  return [
    ...(smp.length > 0 && isDown ? [down] : []),
    ...unique(smp).flatMap((fact) => judgeSmp(fact, runs, ini)),
    ...unique(facts.filter(({ serves }) => serves === 'pages')).flatMap((fact) => judgePages(fact, runs, ini)),
  ]
}

/** Two virtual ports may lead to one; what clients use by default counts. */
function unique(facts: readonly PortFact[]): PortFact[] {
  const usual = facts.find(({ virtualPort }) => virtualPort === usualPort)
  return [...(usual ? [usual] : []), ...facts.filter(({ port }) => port !== usual?.port)]
}

function judgeSmp({ virtualPort, port, listener, holder }: PortFact, runs: boolean, ini: string): Finding[] {
  const elsewhere = `change port under [TRANSPORT] of ${ini}`
  const stopIt = `Stop that program, or ${elsewhere}.`
  switch (listener) {
    case 'relay':
      return []
    case 'none': {
      if (!runs) return []
      const text = `The server runs, but nobody listens on its port ${port}, so the onion name will not answer there.`
      return [{ level: 'note', code: 'PORT_CLOSED', text, remedy: `See its log, or ${elsewhere}.` }]
    }
    case 'silent': {
      const text = `${nameOf(holder)} listens on port ${port} and does not answer as this server does.`
      return [{ level: 'note', code: 'PORT_SILENT', text, remedy: stopIt }]
    }
    case 'other': {
      const text = `${nameOf(holder)} listens on port ${port}, not this server, and the onion name would lead there.`
      const level = virtualPort === usualPort ? 'stop' : 'note'
      return [{ level, code: 'PORT_OTHER', text, remedy: stopIt }]
    }
  }
}

function judgePages({ port, listener, holder }: PortFact, runs: boolean, ini: string): Finding[] {
  const where = `the port ${port} of [WEB]`
  if (listener === 'other') {
    const text = `${nameOf(holder)} listens on ${where}, not this server, and its pages would be under the onion name.`
    const remedy = `Stop that program, or set another port under [WEB] of ${ini}.`
    return [{ level: 'note', code: 'PAGES_OTHER', text, remedy }]
  }
  if (listener !== 'none' || !runs) return []
  const text = `The server runs, but nobody listens on ${where}, so there will be no pages under the onion name.`
  return [{ level: 'note', code: 'PAGES_CLOSED', text, remedy: 'See its log, or restart it.' }]
}

function nameOf(holder: PortHolder | undefined): string {
  return holder ? `${holder.name} (process ${holder.pid})` : 'Another program'
}
