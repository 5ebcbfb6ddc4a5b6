import { pino } from 'pino'

/** In ascending order; `note` is for what an operator should see even if `info` is too much. */
export const logLevels = ['trace', 'debug', 'info', 'note', 'warn', 'error'] as const
export type LogLevel = (typeof logLevels)[number]

export type LogFields = Readonly<Record<string, unknown>>
export type LogMethod = (message: string, fields?: LogFields) => void

/** Every layer logs through this. Never pass it anything that identifies a client or a queue, or a password. */
export type Logger = Readonly<Record<LogLevel, LogMethod>>

/** A logger whose level can be changed while it is in use. */
export type AdjustableLogger = Logger & { setLevel(level: LogLevel): void }

/** `plain` is for files and pipes, `colour` for terminals; journald stamps the time itself and reads `<priority>`. */
export type LogStyle = 'plain' | 'colour' | 'journal'

export interface LoggerOptions {
  level: LogLevel
  style?: LogStyle
  /** The process that says it, where there are several: put in front of each line. */
  name?: string
  /** Takes whole lines; stderr by default. */
  destination?: { write(line: string): void }
  now?: () => Date
}

const numbers: Record<LogLevel, number> = { trace: 10, debug: 20, info: 30, note: 35, warn: 40, error: 50 }
const levelByNumber = new Map(logLevels.map((level) => [numbers[level], level]))
/** Syslog priorities, as sd-daemon(3) prefixes. */
const priorities: Record<LogLevel, number> = { trace: 7, debug: 7, info: 6, note: 5, warn: 4, error: 3 }
const colours: Record<LogLevel, string> = {
  trace: '90',
  debug: '34',
  info: '36',
  note: '1;32',
  warn: '33',
  error: '1;31',
}

/** journald when systemd gave us its socket, colours on a terminal (NO_COLOR, FORCE_COLOR). */
export function detectLogStyle(env: NodeJS.ProcessEnv, isTerminal: boolean): LogStyle {
  const forced = env.FORCE_COLOR !== undefined && env.FORCE_COLOR !== '0' && env.FORCE_COLOR !== 'false'
  if (isTerminal || forced) return env.NO_COLOR && !forced ? 'plain' : 'colour'
  return env.JOURNAL_STREAM ? 'journal' : 'plain'
}

/** A logger that writes one readable line per event, by default to stderr. */
export function createLogger(options: LoggerOptions): AdjustableLogger {
  const style = options.style ?? detectLogStyle(process.env, process.stderr.isTTY)
  const destination = options.destination ?? pino.destination({ dest: 2, sync: true })
  const now = options.now ?? ((): Date => new Date())
  const prefix = options.name === undefined ? '' : `${options.name}: `
  const lines = {
    write(json: string): void {
      destination.write(formatLine(json, style, now(), prefix))
    },
  }
  const log = pino(
    {
      level: options.level,
      customLevels: numbers,
      useOnlyCustomLevels: true,
      base: null,
      timestamp: false,
      serializers: { error: describeError, err: describeError, cause: describeError },
    },
    lines,
  )
  const method =
    (level: LogLevel): LogMethod =>
    (message, fields) =>
      log[level](fields ?? {}, message)
  return {
    trace: method('trace'),
    debug: method('debug'),
    info: method('info'),
    note: method('note'),
    warn: method('warn'),
    error: method('error'),
    setLevel: (level) => {
      log.level = level
    },
  }
}

/** A logger that writes nothing, for tests and for commands that print themselves. */
export const silentLogger: Logger = {
  trace: ignore,
  debug: ignore,
  info: ignore,
  note: ignore,
  warn: ignore,
  error: ignore,
}

function ignore(): void {
  // Logs nothing.
}

function describeError(error: unknown): unknown {
  return error instanceof Error ? error.message : error
}

function formatLine(json: string, style: LogStyle, at: Date, prefix: string): string {
  const { level, msg, ...fields } = JSON.parse(json) as { level: number; msg?: string; [field: string]: unknown }
  const name = levelByNumber.get(level) ?? 'info'
  const details = Object.entries(fields).map(([key, value]) => ` ${key}=${fieldText(value)}`)
  const text = `${prefix}${singleLine(msg ?? '')}${details.join('')}\n`
  if (style === 'journal') return `<${priorities[name]}>${text}`
  const label = `[${name.toUpperCase()} ${timestamp(at)}]`
  return style === 'colour' ? `\x1b[${colours[name]}m${label}\x1b[0m ${text}` : `${label} ${text}`
}

function fieldText(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  return /^[^\s"=]+$/.test(text) ? text : JSON.stringify(text)
}

/** Keeps one event on one line, whatever a peer or a system call put into the text. */
function singleLine(text: string): string {
  // eslint-disable-next-line no-control-regex -- it removes control characters
  return text.replace(/[\x00-\x1f\x7f]+/g, ' ')
}

function timestamp(at: Date): string {
  const two = (n: number): string => String(n).padStart(2, '0')
  const offset = -at.getTimezoneOffset()
  const zone = `${offset < 0 ? '-' : '+'}${two(Math.floor(Math.abs(offset) / 60))}${two(Math.abs(offset) % 60)}`
  const date = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`
  return `${date} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())} ${zone}`
}
