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

/** A frame of a stack that tor logs when it crashes. */
const stackFrame = /\(\+0x[\da-f]+\)|\[0x[\da-f]+\]/

/** What tor said of its crash, as a clause without a full stop: its last error, never a frame of its stack. */
export function crashReason(output: readonly string[]): string | undefined {
  const said = output.findLast((line) => {
    if (stackFrame.test(line)) return false
    return /^Tor \S+ died: /.test(line) || parseTorLog(line)?.level === 'err'
  })
  if (said === undefined) return undefined
  const text = parseTorLog(said)?.text ?? said
  return text.replace(/^Tor \S+ died: /, '').replace(/[. ]+$/, '')
}

/**
 * Starts of warnings that need no attention: those of every single-hop tor with a service of its control port, those
 * about running as root and about a test network, and those about a bootstrap, a clock or a refused setting that the
 * relay's log explains.
 */
const harmless = [
  'HiddenServiceNonAnonymousMode is set.',
  'This copy of Tor was compiled or configured to run in a non-anonymous mode',
  "Option 'DisableNetwork' used more than once",
  'SocksPort, TransPort, NATDPort, DNSPort, and ORPort are all undefined',
  'You are running Tor as root.',
  'TestingTorNetwork is set.',
  'You have used DirAuthority or AlternateDirAuthority',
  'Problem bootstrapping. Stuck at',
  "Controller gave us config lines that didn't validate",
  'Our clock is ',
  'Received NETINFO cell with skewed time',
  'Received directory with skewed time',
  'Received microdesc flavor consensus with skewed time',
  'Received a bad CERTS cell: At least one certificate expired',
]
/** Logged with every problem of the bootstrap, with other numbers each time. */
const failedConnections = /^ ?\d+ connections (have failed|died in state)/

export function isHarmlessWarning(text: string): boolean {
  return harmless.some((start) => text.startsWith(start)) || failedConnections.test(text)
}
