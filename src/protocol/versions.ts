/** Oldest and newest SMP version this relay speaks. */
export const SMP_MIN = 6
export const SMP_MAX = 20

/** The version in which each change of the wire format appeared (SMP wire format §7). */
export const since = {
  /** the session id is signed but no longer sent; the relay's hello carries a session key */
  impliedSessionId: 7,
  /** PRXY, PFWD, RFWD */
  proxying: 8,
  /** SKEY; the mode of a queue in NEW and IDS */
  senderKey: 9,
  /** DELD; END before */
  deletedEvent: 10,
  blockEncryption: 11,
  /** ERR BLOCKED; ERR AUTH before */
  blockedError: 12,
  /** the client hello says whether the client is a proxy */
  proxyFlag: 14,
  /** link data in NEW, IDS; LSET, LKEY, LGET, LDEL, RKEY */
  shortLinks: 15,
  /** client certificates, service signatures, SOK */
  services: 16,
  /** notifier credentials in NEW and IDS */
  newNotifier: 17,
  /** the notice in ERR BLOCKED */
  blockedNotice: 18,
  /** parameters of SUBS and NSUBS, the hash in SOKS and ENDS */
  serviceHash: 19,
  /** the proof in the hello to a WebSocket client that asked for it */
  identityProof: 19,
  /** RSLV, RNAME, ERR NAME */
  names: 20,
} as const

/** Versions min..max, both included. */
export interface VersionRange {
  readonly min: number
  readonly max: number
}

/** Offered to clients that negotiated ALPN. */
export const FULL_RANGE: VersionRange = { min: SMP_MIN, max: SMP_MAX }

/** Offered to clients without ALPN. */
export const LEGACY_RANGE: VersionRange = { min: SMP_MIN, max: SMP_MIN }

export function includesVersion(range: VersionRange, version: number): boolean {
  return version >= range.min && version <= range.max
}

/** The versions that lie in both ranges, or undefined when there are none. */
export function intersectRanges(a: VersionRange, b: VersionRange): VersionRange | undefined {
  const min = Math.max(a.min, b.min)
  const max = Math.min(a.max, b.max)
  return min <= max ? { min, max } : undefined
}
