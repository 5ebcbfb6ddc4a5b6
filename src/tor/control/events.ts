import { parseArguments } from './quoted.ts'
import type { ControlMessage } from './reply.ts'

/*
 * Events as values (Tor control-spec §4.1). Only those that matter for an onion service have a type of their own.
 */

export const eventNames = [
  'STATUS_CLIENT',
  'STATUS_GENERAL',
  'NETWORK_LIVENESS',
  'HS_DESC',
  'HS_DESC_CONTENT',
  'WARN',
] as const
export type EventName = (typeof eventNames)[number] | 'STREAM'

export interface BootstrapPhase {
  /** NOTICE, or WARN when a step failed; tor then keeps trying. */
  readonly severity: string
  /** 0..100 */
  readonly progress: number
  readonly tag: string
  readonly summary: string
  /** Why the last step failed. */
  readonly warning?: string
}

export type TorEvent =
  | ({ readonly type: 'bootstrap' } & BootstrapPhase)
  | {
      readonly type: 'status'
      readonly of: 'client' | 'general'
      readonly severity: string
      readonly action: string
      readonly keywords: ReadonlyMap<string, string>
    }
  | HsDescEvent
  /** A descriptor that a directory has given. */
  | { readonly type: 'hsDescContent'; readonly serviceId: string; readonly directory: string; readonly text: string }
  | { readonly type: 'networkLiveness'; readonly up: boolean }
  | StreamEvent
  /** A line of tor's log, at level warn. */
  | { readonly type: 'warning'; readonly text: string }
  | { readonly type: 'other'; readonly name: string; readonly text: string }

export interface HsDescEvent {
  readonly type: 'hsDesc'
  /** CREATED, UPLOAD, UPLOADED, REQUESTED, RECEIVED, FAILED, IGNORE, or a word of a later tor. */
  readonly action: string
  /** The service id, without `.onion`. */
  readonly serviceId: string
  /** `$fingerprint~name` of the directory; `UNKNOWN` where there is none. */
  readonly directory: string
  readonly reason?: string
  /** Of CREATED and UPLOAD: the key of the time period, 32 bytes in base64 without padding. */
  readonly blindedKey?: string
}

/** A stream that a client requested from a tor (Tor control-spec §4.1.2). */
export interface StreamEvent {
  readonly type: 'stream'
  /** NEW, SUCCEEDED, FAILED, CLOSED and others. */
  readonly status: string
  /** `host:port` */
  readonly target: string
  readonly reason?: string
  /** The other end's reason, when `reason` is END. */
  readonly remoteReason?: string
}

/** Reads one event; one that does not match the specification becomes `other`. */
export function parseEvent(message: ControlMessage): TorEvent {
  const text = message.lines[0]?.text ?? ''
  const [name = ''] = text.split(' ', 1)
  const rest = text.slice(name.length + 1)
  const { positional, keywords } = parseArguments(rest)
  const [first, second, third, fourth, fifth] = positional
  switch (name) {
    case 'STATUS_CLIENT':
    case 'STATUS_GENERAL': {
      const bootstrap = second === 'BOOTSTRAP' ? parseBootstrapPhase(rest) : undefined
      if (bootstrap) return { type: 'bootstrap', ...bootstrap }
      if (first === undefined || second === undefined) break
      const of = name === 'STATUS_CLIENT' ? 'client' : 'general'
      return { type: 'status', of, severity: first, action: second, keywords }
    }
    case 'HS_DESC': {
      if (first === undefined || second === undefined) break
      const reason = keywords.get('REASON')
      return {
        type: 'hsDesc',
        action: first,
        serviceId: second,
        directory: fourth ?? 'UNKNOWN',
        ...(third !== undefined && reason !== undefined && { reason }),
        ...(fifth !== undefined && { blindedKey: fifth }),
      }
    }
    case 'HS_DESC_CONTENT': {
      if (first === undefined || third === undefined) break
      return { type: 'hsDescContent', serviceId: first, directory: third, text: message.lines[0]?.data ?? '' }
    }
    case 'STREAM': {
      if (second === undefined || fourth === undefined) break
      const [reason, remoteReason] = [keywords.get('REASON'), keywords.get('REMOTE_REASON')]
      return {
        type: 'stream',
        status: second,
        target: fourth,
        ...(reason !== undefined && { reason }),
        ...(remoteReason !== undefined && { remoteReason }),
      }
    }
    case 'WARN':
      return { type: 'warning', text: rest }
    case 'NETWORK_LIVENESS':
      if (first === 'UP' || first === 'DOWN') return { type: 'networkLiveness', up: first === 'UP' }
  }
  return { type: 'other', name, text: rest }
}

/**
 * Reads `NOTICE BOOTSTRAP PROGRESS=50 TAG=… SUMMARY="…"`, as `GETINFO status/bootstrap-phase` and the events have it.
 */
export function parseBootstrapPhase(text: string): BootstrapPhase | undefined {
  const { positional, keywords } = parseArguments(text)
  const [severity, word] = positional
  const progress = keywords.get('PROGRESS') ?? ''
  if (severity === undefined || word !== 'BOOTSTRAP' || !/^\d{1,3}$/.test(progress) || Number(progress) > 100) {
    return undefined
  }
  const phase = {
    severity,
    progress: Number(progress),
    tag: keywords.get('TAG') ?? '',
    summary: keywords.get('SUMMARY') ?? '',
  }
  const warning = keywords.get('WARNING')
  return warning === undefined ? phase : { ...phase, warning }
}
