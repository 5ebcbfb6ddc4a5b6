import type { Contact, Information, Settings } from '../config/settings.ts'
import { durationText } from './duration-text.ts'
import { isOnion } from '../protocol/host.ts'
import { linked, markup, type Content } from './markup.ts'

/** A row of a table. */
export interface Fact {
  readonly label: string
  readonly value: Content
}

/** What was built. */
export interface Build {
  readonly version: string
  /** Of the source; empty when unknown. */
  readonly commit: string
}

/** How clients know the relay. */
export interface Identity {
  /** 44 characters. */
  readonly fingerprint: string
  /** Without the password. */
  readonly address: string
}

/** By what users recognise the relay; anybody who connects to it learns this too. */
export function identity({ fingerprint }: Identity, { hosts }: Pick<Settings['transport'], 'hosts'>): Fact[] {
  const [onion] = hosts.filter(isOnion)
  const names = hosts.filter((host) => !isOnion(host))
  return [
    ...fact(names.length > 1 ? 'Host names' : 'Host name', names.join(', ')),
    ...fact('Onion address', onion && markup`<code>${onion}</code>`),
    { label: 'Fingerprint', value: markup`<code>${fingerprint}</code>` },
  ]
}

/** What the operator says about the relay in [INFORMATION]. */
export function publicInformation(information: Information | undefined, build: Build): Fact[] {
  const version = { label: 'Version', value: versionContent(information?.sourceCode, build) }
  if (information === undefined) return [version, { label: 'Source code', value: noSourceCode }]
  const { operator, hosting, usageConditions, conditionAmendments, hostingType } = information
  return [
    version,
    { label: 'Source code', value: linked(information.sourceCode) },
    ...fact('Website', information.website && linked(information.website)),
    ...fact('Conditions of use', usageConditions && linked(usageConditions)),
    ...fact('Amendments', conditionAmendments && linked(conditionAmendments)),
    ...fact('Operator', operator && entity(operator)),
    ...fact('Administrator', information.admin && contact(information.admin)),
    ...fact('Complaints and feedback', information.complaints && contact(information.complaints)),
    ...fact('Hosting provider', hosting && entity(hosting)),
    ...fact('Hosting type', hostingType && hostingType.charAt(0).toUpperCase() + hostingType.slice(1)),
    ...fact('Server country', information.serverCountry),
  ]
}

/** The configuration, as far as users care. */
export function configuration({ store, auth }: Pick<Settings, 'store' | 'auth'>): Fact[] {
  return [
    { label: 'Persistence', value: persistence(store) },
    { label: 'Message expiration', value: durationText(store.messageTtl) },
    { label: 'Statistics', value: yesNo(store.logStats) },
    { label: 'New queues allowed', value: yesNo(auth.newQueues) },
    { label: 'Password for new queues', value: yesNo(auth.createPassword !== undefined) },
  ]
}

const noSourceCode = markup`Not stated. The operator can set it with <code>source_code</code> in section <code>[INFORMATION]</code> of <code>smp-server.ini</code>.`

function fact(label: string, value: Content): Fact[] {
  return value === undefined || value === '' ? [] : [{ label, value }]
}

/** The commit links to its source when the operator named a repository on the web. */
function versionContent(sourceCode: string | undefined, { version, commit }: Build): Content {
  if (commit === '') return version
  const short = commit.slice(0, 7)
  const isWeb = sourceCode !== undefined && /^https?:\/\//.test(sourceCode)
  if (!isWeb) return `${version} / ${short}`
  const url = `${sourceCode.replace(/\/+$/, '')}/commit/${commit}`
  return markup`${version} / <a href="${url}" rel="noreferrer">${short}</a>`
}

function entity({ name, country }: { readonly name: string; readonly country?: string | undefined }): string {
  return country === undefined ? name : `${name} (${country})`
}

/** One line per means of contact. */
function contact({ simplex, email, pgp }: Contact): Content {
  const lines: Content[] = []
  if (simplex) lines.push(markup`SimpleX: ${linked(simplex, ['https:', 'simplex:'])}`)
  if (email) lines.push(markup`E-mail: ${mailLink(email)}`)
  if (pgp) lines.push(markup`PGP: ${linked(pgp.key)}<br><code>${pgp.fingerprint}</code>`)
  return lines.map((line) => markup`<div>${line}</div>`)
}

function mailLink(email: string): Content {
  return /^[\w.+-]+@[\w.-]+$/.test(email) ? markup`<a href="mailto:${email}">${email}</a>` : email
}

function persistence({ persistent, restoreMessages }: Settings['store']): string {
  if (!persistent) return 'In-memory only'
  return restoreMessages ? 'Queues and messages' : 'Queues'
}

function yesNo(value: boolean): string {
  return value ? 'Yes' : 'No'
}
