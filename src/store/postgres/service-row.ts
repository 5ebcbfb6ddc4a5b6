import { idFromBytes, type ServiceId } from '../../protocol/ids.ts'
import type { ServiceRec } from '../store.ts'

/** A row of upstream's `services`. */
export interface ServiceRow {
  readonly service_id: Buffer
  readonly service_role: string
  /** count u8, then for each certificate: length u16 and DER */
  readonly service_cert: Buffer
  readonly service_cert_hash: Buffer
  readonly created_at: number
}

export const SERVICE_COLUMNS = [
  'service_id',
  'service_role',
  'service_cert',
  'service_cert_hash',
  'created_at',
] as const satisfies readonly (keyof ServiceRow)[]

/** Undefined when something in the row cannot be read. */
export function decodeServiceRow(row: ServiceRow): ServiceRec | undefined {
  const { service_role: role } = row
  const certificates = decodeCertificates(row.service_cert)
  if (certificates === undefined || (role !== 'M' && role !== 'N' && role !== 'P')) return undefined
  return {
    serviceId: idFromBytes<ServiceId>(row.service_id),
    role,
    certificates,
    certHash: row.service_cert_hash,
    createdAt: row.created_at,
  }
}

function decodeCertificates(bytes: Buffer): Buffer[] | undefined {
  const certificates: Buffer[] = []
  let at = 1
  while (at + 2 <= bytes.length) {
    const end = at + 2 + bytes.readUInt16BE(at)
    if (end > bytes.length) return undefined
    certificates.push(bytes.subarray(at + 2, end))
    at = end
  }
  return at === bytes.length && certificates.length === bytes[0] ? certificates : undefined
}

export function encodeCertificates(certificates: readonly Buffer[]): Buffer {
  const parts = certificates.flatMap((der) => {
    const length = Buffer.alloc(2)
    length.writeUInt16BE(der.length)
    return [length, der]
  })
  return Buffer.concat([Buffer.of(certificates.length), ...parts])
}
