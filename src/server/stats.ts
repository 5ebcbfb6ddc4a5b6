/** Names of all counters, as the statistics files of SMP relays call them. */
export const counterNames = [
  'qCreated',
  'qSecured',
  'qDeletedAll',
  'qDeletedNew',
  'qDeletedSecured',
  'qDeletedAllB',
  'qBlocked',
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
  'msgNtfExpired',
  'pMsgFwdsRecv',
] as const

export type CounterName = (typeof counterNames)[number]

/** Counters of one group of relays that this relay forwards to. */
export interface ProxyCounters {
  requests: number
  successes: number
  errorsConnect: number
  errorsCompat: number
  errorsOther: number
}

export const proxyGroups = ['pRelays', 'pRelaysOwn', 'pMsgFwds', 'pMsgFwdsOwn'] as const
export type ProxyGroup = (typeof proxyGroups)[number]

/** What one client service did with its associations and subscriptions. */
export interface ServiceCounters {
  assocNew: number
  assocDuplicate: number
  assocUpdated: number
  assocRemoved: number
  subCount: number
  subDuplicate: number
  subQueues: number
  subEnd: number
}

/** Counts of name resolution requests. */
export interface NameCounters {
  reqs: number
  succ: number
  notFound: number
  resolverErrs: number
  disabled: number
}

/** Aggregate counters only: nothing here can be traced to a queue or a person. */
export interface Stats extends Record<CounterName, number>, Record<ProxyGroup, ProxyCounters> {
  /** Start of the counting period, milliseconds since the epoch. */
  fromTime: number
  rcvServices: ServiceCounters
  ntfServices: ServiceCounters
  names: NameCounters
}

const proxyCounters = (): ProxyCounters => ({
  requests: 0,
  successes: 0,
  errorsConnect: 0,
  errorsCompat: 0,
  errorsOther: 0,
})

const serviceCounters = (): ServiceCounters => ({
  assocNew: 0,
  assocDuplicate: 0,
  assocUpdated: 0,
  assocRemoved: 0,
  subCount: 0,
  subDuplicate: 0,
  subQueues: 0,
  subEnd: 0,
})

export function newStats(fromTime: number): Stats {
  const counters = Object.fromEntries(counterNames.map((name) => [name, 0])) as Record<CounterName, number>
  return {
    ...counters,
    fromTime,
    pRelays: proxyCounters(),
    pRelaysOwn: proxyCounters(),
    pMsgFwds: proxyCounters(),
    pMsgFwdsOwn: proxyCounters(),
    rcvServices: serviceCounters(),
    ntfServices: serviceCounters(),
    names: { reqs: 0, succ: 0, notFound: 0, resolverErrs: 0, disabled: 0 },
  }
}
