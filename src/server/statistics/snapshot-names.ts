import type { CounterName, NameCounters, ProxyCounters, ServiceCounters } from './counters.ts'

/*
 * The names in `smp-server-stats.log`, in their order. They are the interface to other SMP relays: who switches between
 * them keeps his counters.
 */

/** Number of stored queues; for information only. */
export const QUEUE_COUNT = 'qCount'

/** Before the first block. */
export const plainNames = [
  'qCreated',
  'qSecured',
  'qDeletedAll',
  'qDeletedNew',
  'qDeletedSecured',
  'qDeletedAllB',
  'qBlocked',
  QUEUE_COUNT,
  'qSub',
  'qSubAllB',
  'qSubAuth',
  'qSubDuplicate',
  'qSubProhibited',
  'qSubEnd',
  'qSubEndB',
  'ntfCreated',
  'ntfNewCreated',
  'ntfDeleted',
  'ntfDeletedB',
  'ntfSub',
  'ntfSubB',
  'ntfSubAuth',
  'ntfSubDuplicate',
  'msgSent',
  'msgSentAuth',
  'msgSentQuota',
  'msgSentLarge',
  'msgSentBlock',
  'msgRecv',
  'msgRecvGet',
  'msgGet',
  'msgGetNoMsg',
  'msgGetAuth',
  'msgGetDuplicate',
  'msgGetProhibited',
  'msgExpired',
  'msgSentNtf',
  'msgRecvNtf',
  'msgNtfs',
  'msgNtfsB',
  'msgNtfNoSub',
  'msgNtfLost',
  'msgNtfExpired',
] as const satisfies readonly (CounterName | typeof QUEUE_COUNT)[]

/** Behind the blocks of proxying, without a header of its own. */
export const RECEIVED_FORWARDS = 'pMsgFwdsRecv' satisfies CounterName

export const proxyNames = [
  'requests',
  'successes',
  'errorsConnect',
  'errorsCompat',
  'errorsOther',
] as const satisfies readonly (keyof ProxyCounters)[]

/** The name in the file, and the counter; one of them has always been misspelled. */
export const serviceNames = [
  ['assocNew', 'assocNew'],
  ['assocDuplicate', 'assocDuplicate'],
  ['assocUpdatedt', 'assocUpdated'],
  ['assocRemoved', 'assocRemoved'],
  ['subCount', 'subCount'],
  ['subDuplicate', 'subDuplicate'],
  ['subQueues', 'subQueues'],
  ['subEnd', 'subEnd'],
] as const satisfies readonly (readonly [string, keyof ServiceCounters])[]

/** Header of the block of {@link resolverNames}. */
export const RESOLVER_BLOCK = 'rslvStats'

export const resolverNames = [
  'reqs',
  'succ',
  'notFound',
  'resolverErrs',
  'disabled',
] as const satisfies readonly (keyof NameCounters)[]
