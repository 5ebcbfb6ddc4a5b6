import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import { confirm, intro, log, password, select, text } from '@clack/prompts'
import * as v from 'valibot'
import { type OwnAddress, ownAddresses } from '../../app/own-addresses.ts'
import { addressPassword, hostList } from '../../config/key-values.ts'
import { isOnion } from '../../protocol/host.ts'
import { Refusal } from '../../errors/refusal.ts'
import type { Context } from '../context.ts'
import { terminalWidth, wrap } from '../terminal.ts'
import { defaultIp, type InitOptions, knownSourceCode } from './options.ts'

/*
 * The questions of `init` on a terminal. Each has an option that answers it beforehand; nothing is written before the last
 * answer.
 */

const REACH: Readonly<Record<OwnAddress['reach'], string>> = {
  public: 'public',
  private: 'private: from outside only through a router',
  shared: 'of the provider: not reachable from outside',
}

/** Columns that the frame of the questions takes. */
const FRAME = 4

/** @throws Refusal when the user stops */
export async function askGuided(flags: InitOptions, context: Context): Promise<InitOptions> {
  intro('A new SimpleX relay')
  const host = await askHost(flags)
  const chosen = flags.password ?? (await askPassword())
  const hidePassword = chosen === false ? flags.hidePassword : (flags.hidePassword ?? (await askHiding()))
  const onion = flags.onion ?? (await askOnion())
  const site = await askSite(flags, context)
  const sourceCode = knownSourceCode(flags) ?? context.sourceCode
  return { ...flags, ...host, password: chosen, hidePassword, onion, ...site, ...(sourceCode && { sourceCode }) }
}

async function askHost(flags: InitOptions): Promise<Pick<InitOptions, 'fqdn'>> {
  const { fqdn, ip } = flags
  if (fqdn !== undefined || ip !== defaultIp) return { fqdn }
  const own = ownAddresses()
  const lines = own.map((one) => `${one.address} (${one.interface}, ${REACH[one.reach]})`)
  log.info(
    framed(['Addresses of this machine:', ...(lines.length > 0 ? lines : ['none but its own loopback'])].join('\n')),
  )
  const answer = await answered(
    text({
      message: 'Domain name or IP address of this relay (empty: only through Tor)',
      placeholder: own.find(({ reach }) => reach === 'public')?.address ?? 'smp.example.org',
      validate: hostFault,
    }),
  )
  const given = answer.trim()
  if (given === '') return {}
  const hosts = v.parse(hostList, given)
  for (const host of hosts) await warnOfHost(host, own)
  return { fqdn: hosts.join(',') }
}

function hostFault(value: string | undefined): string | undefined {
  if (value === undefined || value.trim() === '') return undefined
  const result = v.safeParse(hostList, value.trim())
  if (!result.success) return `"${value}" ${result.issues[0].message}.`
  return result.output.length === 0 ? `"${value}" is a placeholder.` : undefined
}

/** The name of an onion service is nobody's business but Tor's. */
async function warnOfHost(host: string, own: readonly OwnAddress[]): Promise<void> {
  if (isOnion(host)) return
  const found = isIP(host) === 0 ? await lookup(host, { all: true }).catch(() => []) : [{ address: host }]
  if (found.length === 0) {
    caution(`${host} has no DNS record yet. Add one (A or AAAA) with the address of this machine.`)
    return
  }
  const here = found.filter(({ address }) => own.some((one) => one.address === address))
  if (here.length > 0) return
  const addresses = found.map(({ address }) => address).join(', ')
  caution(
    `${host === addresses ? host : `${host} leads to ${addresses}, which`} is not an address of this machine. That is right behind a router or a proxy that forwards the ports.`,
  )
}

/** `false` for none, `undefined` for a random one. */
async function askPassword(): Promise<string | false | undefined> {
  const choice = await answered(
    select({
      message: 'Password for creating queues, a part of the address',
      options: [
        { value: 'random', label: 'Make a random one' },
        { value: 'own', label: 'Choose one' },
        { value: 'none', label: 'None', hint: 'everyone who gets the address can create queues' },
      ],
    }),
  )
  if (choice === 'none') {
    caution('Without a password anybody may use this relay, and its disk and bandwidth.')
    return false
  }
  if (choice !== 'own') return undefined
  const first = await answered(password({ message: 'Your password', mask: '', validate: passwordFault }))
  await answered(
    password({
      message: 'Repeat the password',
      mask: '',
      validate: (value) => (value === first ? undefined : 'That is another one.'),
    }),
  )
  return first
}

function passwordFault(value: string | undefined): string | undefined {
  const result = v.safeParse(addressPassword, value ?? '')
  return result.success ? undefined : `The password ${result.issues[0].message}.`
}

async function askHiding(): Promise<true | undefined> {
  const message = 'Keep the password out of the log? `smp-server address` shows it.'
  return (await answered(confirm({ message, initialValue: true }))) || undefined
}

async function askOnion(): Promise<boolean> {
  const message = 'Set up an onion address as well, for apps that use Tor?'
  return await answered(confirm({ message, initialValue: true }))
}

async function askSite(flags: InitOptions, { paths }: Context): Promise<Partial<InitOptions>> {
  if (flags.disableWeb === true) return {}
  const { webPath, webCert, webKey } = flags
  const isWanted = webPath !== undefined || webCert !== undefined || webKey !== undefined
  if (!isWanted) {
    const message = 'Serve a web page about the relay? It needs a TLS certificate.'
    if (!(await answered(confirm({ message, initialValue: false })))) return { disableWeb: true }
  }
  return {
    webCert: webCert ?? (await askFile('Its certificate, with the chain', paths.webCertificate)),
    webKey: webKey ?? (await askFile('Its key', paths.webKey)),
  }
}

async function askFile(message: string, usual: string): Promise<string> {
  const answer = await answered(text({ message: `${message} (PEM file; it need not exist yet)`, initialValue: usual }))
  return answer.trim() || usual
}

function caution(text: string): void {
  log.warn(framed(text))
}

function framed(text: string): string {
  return wrap(text, terminalWidth() - FRAME)
}

/** @throws Refusal for Ctrl-C */
async function answered<T>(question: Promise<T>): Promise<Exclude<T, symbol>> {
  const answer = await question
  if (isAnswer(answer)) return answer
  throw new Refusal('Nothing was written.')
}

function isAnswer<T>(value: T): value is Exclude<T, symbol> {
  return typeof value !== 'symbol'
}
