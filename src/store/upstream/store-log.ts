import { formatBlockingInfo, parseBlockingInfo } from '../../protocol/blocking-info.ts'
import type { LinkId, NotifierId, RcvId, ServiceId, SndId } from '../../protocol/ids.ts'
import type { AuthKey } from '../../crypto/keys.ts'
import type { BlockedStatus, LinkData, NotifierRec, QueueRec, QueueStatus, ServiceParty, ServiceRec } from '../store.ts'
import {
  formatBase64url,
  formatId,
  formatKey,
  parseBase64url,
  parseBytes,
  parseId,
  parseKey,
  parseList,
  parseSecret,
  parseSeconds,
} from './fields.ts'

/** One record of upstream's smp-server-store.log. Ids are those of the recipient, also for notifiers. */
export type StoreLogRecord =
  | { readonly type: 'CREATE'; readonly queue: QueueRec; readonly link?: LinkData }
  | { readonly type: 'LINK'; readonly rcvId: RcvId; readonly linkId: LinkId; readonly link: LinkData }
  | { readonly type: 'LDELETE' | 'SUSPEND' | 'UNBLOCK' | 'DELETE' | 'NDELETE'; readonly rcvId: RcvId }
  | { readonly type: 'SECURE'; readonly rcvId: RcvId; readonly key: AuthKey }
  | { readonly type: 'KEYS'; readonly rcvId: RcvId; readonly keys: readonly AuthKey[] }
  | { readonly type: 'NOTIFIER'; readonly rcvId: RcvId; readonly notifier: NotifierRec }
  | { readonly type: 'BLOCK'; readonly rcvId: RcvId; readonly status: BlockedStatus }
  | { readonly type: 'TIME'; readonly rcvId: RcvId; readonly day: number }
  | { readonly type: 'NEW_SERVICE'; readonly service: ServiceRec }
  | {
      readonly type: 'QUEUE_SERVICE'
      readonly rcvId: RcvId
      readonly party: ServiceParty
      readonly serviceId: ServiceId | undefined
    }

/** Reads one line without its line end; undefined when it is not a record. */
export function parseStoreLogLine(line: string): StoreLogRecord | undefined {
  const space = line.indexOf(' ')
  const word = line.slice(0, space)
  const rest = line.slice(space + 1)
  if (word === 'CREATE') return parseCreate(rest)
  if (word === 'NEW_SERVICE') return parseNewService(rest)
  const [id = '', ...fields] = rest.split(' ')
  const rcvId = parseId<RcvId>(id)
  return rcvId === undefined ? undefined : parseQueueRecord(word, rcvId, fields)
}

export function formatStoreLogRecord(record: StoreLogRecord): string {
  if (record.type === 'CREATE') return formatCreate(record.queue, record.link)
  if (record.type === 'NEW_SERVICE') return formatNewService(record.service)
  const start = `${record.type} ${formatId(record.rcvId)}`
  switch (record.type) {
    case 'LINK':
      return `${start} ${formatId(record.linkId)} ${formatLink(record.link)}`
    case 'SECURE':
      return `${start} ${formatKey(record.key)}`
    case 'KEYS':
      return `${start} ${record.keys.map(formatKey).join(',')}`
    case 'NOTIFIER':
      return `${start} ${formatNotifier(record.notifier)}`
    case 'BLOCK':
      return `${start} ${formatBlockingInfo(record.status)}`
    case 'TIME':
      return `${start} ${record.day}`
    case 'QUEUE_SERVICE':
      return `${start} ${record.party} ${record.serviceId === undefined ? '' : formatId(record.serviceId)}`
    default:
      return start
  }
}

/**
 *     LINK rid linkId fixed user / SECURE rid key / KEYS rid keys / NOTIFIER rid ntf / BLOCK rid info / TIME rid date
 *     / QUEUE_SERVICE rid ("R" / "N") [serviceId] / (LDELETE / SUSPEND / UNBLOCK / DELETE / NDELETE) rid
 */
function parseQueueRecord(type: string, rcvId: RcvId, fields: readonly string[]): StoreLogRecord | undefined {
  const [first = '', second = '', third = ''] = fields
  switch (type) {
    case 'LDELETE':
    case 'SUSPEND':
    case 'UNBLOCK':
    case 'DELETE':
    case 'NDELETE':
      return fields.length === 0 ? { type, rcvId } : undefined
    case 'LINK': {
      const linkId = parseId<LinkId>(first)
      const link = parseLink(second, third)
      return fields.length === 3 && linkId && link ? { type, rcvId, linkId, link } : undefined
    }
    case 'SECURE': {
      const key = parseKey(first)
      return fields.length === 1 ? key && { type, rcvId, key } : undefined
    }
    case 'KEYS': {
      const keys = parseList(first, parseKey)
      return fields.length === 1 ? keys && { type, rcvId, keys } : undefined
    }
    case 'NOTIFIER': {
      const notifier = parseNotifier(fields.join(' '))
      return notifier && { type, rcvId, notifier }
    }
    case 'BLOCK': {
      const info = parseBlockingInfo(fields.join(' '))
      return info && { type, rcvId, status: { type: 'blocked', ...info } }
    }
    case 'TIME': {
      const day = fields.length === 1 ? parseSeconds(first) : undefined
      return day === undefined ? undefined : { type, rcvId, day }
    }
    case 'QUEUE_SERVICE': {
      if (fields.length > 2 || (first !== 'R' && first !== 'N')) return undefined
      if (second === '') return { type, rcvId, party: first, serviceId: undefined }
      const serviceId = parseId<ServiceId>(second)
      return serviceId && { type, rcvId, party: first, serviceId }
    }
    default:
      return undefined
  }
}

// The notice is JSON and may hold spaces; it ends where its object does (objects in it are not known).
const createPattern = new RegExp(
  '^rid=(?<rid>\\S+) rk=(?<rk>\\S+) rdh=(?<rdh>\\S+) sid=(?<sid>\\S+) sk=(?<sk>\\S*)' +
    '(?: (?:sndSecure=(?<sndSecure>[TF])|queue_mode=(?<mode>[MC])))?' +
    '(?: link_id=(?<linkId>\\S+) queue_data=(?<fixed>\\S*) (?<user>\\S*))?' +
    '(?: notifier=(?<notifier>\\S+ \\S+ \\S+(?: nsrv=\\S+)?))?' +
    '(?: updated_at=(?<updatedAt>\\d+))?' +
    '(?: status=(?<status>active|off|blocked,reason=(?:spam|content)(?:,notice=\\{[^}]*\\})?))?' +
    '(?: rsrv=(?<rsrv>\\S+))?$',
)

/**
 *     CREATE rid= rk=keys rdh= sid= sk=[key] [sndSecure=T/F / queue_mode=M/C] [link_id= queue_data=fixed SP user]
 *       [notifier=ntf] [updated_at=] [status=] [rsrv=]
 *
 * The older sndSecure=T is mode M, sndSecure=F mode C.
 */
function parseCreate(text: string): StoreLogRecord | undefined {
  const fields = createPattern.exec(text)?.groups
  if (fields === undefined) return undefined
  const { sndSecure, mode } = fields
  const rcvId = parseId<RcvId>(fields.rid ?? '')
  const sndId = parseId<SndId>(fields.sid ?? '')
  const recipientKeys = parseList(fields.rk ?? '', parseKey)
  const rcvDhSecret = parseSecret(fields.rdh ?? '')
  const senderKey = optional(fields.sk === '' ? undefined : fields.sk, parseKey)
  const linkId = optional(fields.linkId, parseId<LinkId>)
  const link = fields.linkId === undefined ? null : parseLink(fields.fixed ?? '', fields.user ?? '')
  const notifier = optional(fields.notifier, parseNotifier)
  const updatedAt = optional(fields.updatedAt, parseSeconds)
  const status = parseStatus(fields.status ?? 'active')
  const rcvServiceId = optional(fields.rsrv, parseId<ServiceId>)
  if (
    rcvId === undefined ||
    sndId === undefined ||
    recipientKeys === undefined ||
    rcvDhSecret === undefined ||
    senderKey === undefined ||
    linkId === undefined ||
    link === undefined ||
    notifier === undefined ||
    updatedAt === undefined ||
    status === undefined ||
    rcvServiceId === undefined
  ) {
    return undefined
  }
  const queueMode = sndSecure === 'T' || mode === 'M' ? 'M' : sndSecure === 'F' || mode === 'C' ? 'C' : null
  const queue: QueueRec = {
    rcvId,
    sndId,
    recipientKeys,
    rcvDhSecret,
    status,
    ...(senderKey !== null && { senderKey }),
    ...(queueMode !== null && { queueMode }),
    ...(linkId !== null && { linkId }),
    ...(notifier !== null && { notifier }),
    ...(updatedAt !== null && { updatedAt }),
    ...(rcvServiceId !== null && { rcvServiceId }),
  }
  return { type: 'CREATE', queue, ...(link !== null && { link }) }
}

/** null: the field is not there; undefined: it is, and cannot be read. */
function optional<T>(text: string | undefined, parse: (text: string) => T | undefined): T | null | undefined {
  return text === undefined ? null : parse(text)
}

function formatCreate(queue: QueueRec, link: LinkData | undefined): string {
  const { senderKey, queueMode, linkId, notifier, updatedAt, status, rcvServiceId } = queue
  const fields = [
    'CREATE',
    `rid=${formatId(queue.rcvId)}`,
    `rk=${queue.recipientKeys.map(formatKey).join(',')}`,
    `rdh=${formatBase64url(queue.rcvDhSecret)}`,
    `sid=${formatId(queue.sndId)}`,
    `sk=${senderKey === undefined ? '' : formatKey(senderKey)}`,
  ]
  if (queueMode !== undefined) fields.push(`queue_mode=${queueMode}`)
  if (linkId !== undefined && link !== undefined)
    fields.push(`link_id=${formatId(linkId)} queue_data=${formatLink(link)}`)
  if (notifier !== undefined) fields.push(`notifier=${formatNotifier(notifier)}`)
  if (updatedAt !== undefined) fields.push(`updated_at=${updatedAt}`)
  if (status.type === 'off') fields.push('status=off')
  if (status.type === 'blocked') fields.push(`status=blocked,${formatBlockingInfo(status)}`)
  if (rcvServiceId !== undefined) fields.push(`rsrv=${formatId(rcvServiceId)}`)
  return fields.join(' ')
}

function parseStatus(text: string): QueueStatus | undefined {
  if (text === 'active' || text === 'off') return { type: text }
  const info = text.startsWith('blocked,') ? parseBlockingInfo(text.slice('blocked,'.length)) : undefined
  return info && { type: 'blocked', ...info }
}

function parseLink(fixed: string, user: string): LinkData | undefined {
  const fixedData = parseBase64url(fixed)
  const userData = parseBase64url(user)
  return fixedData && userData && { fixedData, userData }
}

function formatLink({ fixedData, userData }: LinkData): string {
  return `${formatBase64url(fixedData)} ${formatBase64url(userData)}`
}

/** ntf = notifierId SP key SP secret [" nsrv=" serviceId] */
function parseNotifier(text: string): NotifierRec | undefined {
  const [, id = '', keyText = '', secret = '', service] = /^(\S+) (\S+) (\S+)(?: nsrv=(\S+))?$/.exec(text) ?? []
  const notifierId = parseId<NotifierId>(id)
  const key = parseKey(keyText)
  const dhSecret = parseSecret(secret)
  const serviceId = optional(service, parseId<ServiceId>)
  if (notifierId === undefined || key === undefined || dhSecret === undefined || serviceId === undefined) {
    return undefined
  }
  return { notifierId, key, dhSecret, ...(serviceId !== null && { serviceId }) }
}

function formatNotifier({ notifierId, key, dhSecret, serviceId }: NotifierRec): string {
  const service = serviceId === undefined ? '' : ` nsrv=${formatId(serviceId)}`
  return `${formatId(notifierId)} ${formatKey(key)} ${formatBase64url(dhSecret)}${service}`
}

const newServicePattern =
  /^service_id=(?<id>\S+) role=(?<role>[MNP]) cert=(?<certs>\S+) cert_hash=(?<hash>\S+) created_at=(?<created>\d+)$/

/** NEW_SERVICE service_id= role=M/N/P cert=DER,DER… cert_hash= created_at= */
function parseNewService(text: string): StoreLogRecord | undefined {
  const fields = newServicePattern.exec(text)?.groups
  if (fields === undefined) return undefined
  const serviceId = parseId<ServiceId>(fields.id ?? '')
  const certificates = parseList(fields.certs ?? '', parseBytes)
  const certHash = parseSecret(fields.hash ?? '')
  const createdAt = parseSeconds(fields.created ?? '')
  const role = fields.role === 'M' || fields.role === 'N' ? fields.role : 'P'
  if (serviceId === undefined || certificates === undefined || certHash === undefined || createdAt === undefined) {
    return undefined
  }
  return { type: 'NEW_SERVICE', service: { serviceId, role, certificates, certHash, createdAt } }
}

function formatNewService({ serviceId, role, certificates, certHash, createdAt }: ServiceRec): string {
  const certs = certificates.map(formatBase64url).join(',')
  const start = `NEW_SERVICE service_id=${formatId(serviceId)} role=${role} cert=${certs}`
  return `${start} cert_hash=${formatBase64url(certHash)} created_at=${createdAt}`
}
