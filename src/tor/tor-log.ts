/** A line of tor's log, e.g. `Nov 23 01:05:16.711 [warn] Something.` */
export interface TorLogLine {
  readonly level: 'debug' | 'info' | 'notice' | 'warn' | 'err'
  readonly text: string
}

export function parseTorLog(line: string): TorLogLine | undefined {
  const match = /^\w{3} \d\d \d\d:\d\d:\d\d\.\d{3} \[(debug|info|notice|warn|err)\] (.*)$/.exec(line.trimEnd())
  const level = match?.[1]
  switch (level) {
    case 'debug':
    case 'info':
    case 'notice':
    case 'warn':
    case 'err':
      return { level, text: match?.[2] ?? '' }
    default:
      return undefined
  }
}

/** Warnings that every start of a single-hop tor prints, and that say nothing new to who chose it. */
export function isExpectedWarning(text: string): boolean {
  return (
    text.startsWith('HiddenServiceNonAnonymousMode is set.') ||
    text.startsWith('This copy of Tor was compiled or configured to run in a non-anonymous mode') ||
    text.startsWith("Option 'DisableNetwork' used more than once")
  )
}
