/** How one part of the relay is. */
export interface PartHealth {
  readonly ok: boolean
  /** What is wrong, one sentence; absent while nothing is. */
  readonly problem?: string
}

/** What `/health` answers. A part that the relay does not have is null. */
export interface HealthReport {
  /** `failing`: users are not served. `degraded`: they are, and something needs the operator. */
  readonly status: 'ok' | 'degraded' | 'failing'
  readonly relay: PartHealth & { readonly ports: readonly number[] }
  readonly store: PartHealth
  readonly disk: (PartHealth & { readonly freeBytes: number; readonly sizeBytes: number }) | null
  readonly onion:
    | (PartHealth & {
        readonly phase: string
        /** null until the first check from outside. */
        readonly reachable: boolean | null
      })
    | null
  /** Processes that serve clients, where there are several. */
  readonly workers: PartHealth | null
  /** Automatic backups. */
  readonly backup: PartHealth | null
  readonly certificates: { readonly relay: CertificateHealth | null; readonly web: CertificateHealth | null }
}

export interface CertificateHealth extends PartHealth {
  /** Whole days until it expires; negative afterwards. */
  readonly days: number
}

/** 503 tells whatever watches over the relay that its users are not served. */
export function healthStatus({ status }: HealthReport): 200 | 503 {
  return status === 'failing' ? 503 : 200
}
