import type { BlockedStatus, QueueRec, QueueStatus } from '../../store/store.ts'

// Values as scripts expect them from the control port of SMP relays: in the notation of Haskell's Show.

export function showBlocking({ reason, notice }: BlockedStatus): string {
  const shownNotice = notice === undefined ? 'Nothing' : `Just (ClientNotice {ttl = ${maybeInteger(notice.ttl)}})`
  return `BlockingInfo {reason = ${reason === 'spam' ? 'BRSpam' : 'BRContent'}, notice = ${shownNotice}}`
}

export function showStatus(status: QueueStatus): string {
  switch (status.type) {
    case 'active':
      return 'EntityActive'
    case 'off':
      return 'EntityOff'
    case 'blocked':
      return `EntityBlocked (${showBlocking(status)})`
  }
}

/** A day: seconds since the epoch. */
export function showDay(day: number | undefined): string {
  return day === undefined ? 'Nothing' : `Just (RoundedSystemTime {roundedSeconds = ${day}})`
}

export function showQueueMode(mode: QueueRec['queueMode']): string {
  if (mode === undefined) return 'Nothing'
  return mode === 'M' ? 'Just QMMessaging' : 'Just QMContact'
}

/** Milliseconds since the epoch, as `2024-05-01 12:00:00.123 UTC`, without zeros at the end of the fraction. */
export function showTime(ms: number): string {
  const [date = '', time = ''] = new Date(ms).toISOString().slice(0, -1).split('T')
  const [seconds = '', fraction = ''] = time.split('.')
  const shown = fraction.replace(/0+$/, '')
  return `${date} ${seconds}${shown === '' ? '' : `.${shown}`} UTC`
}

export function showTuple(...numbers: readonly number[]): string {
  return `(${numbers.join(',')})`
}

function maybeInteger(value: number | undefined): string {
  if (value === undefined) return 'Nothing'
  return value < 0 ? `Just (${value})` : `Just ${value}`
}
