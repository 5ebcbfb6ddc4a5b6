import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Adoption } from './adopt.ts'
import { type Installation, installationSteps, sourcesFile } from './apt.ts'
import type { OnionPort } from '../control/onion.ts'
import { readIni } from '../../config/ini-file.ts'
import { instanceTorrc } from '../process/instance-torrc.ts'
import { managedHostname } from '../onion/managed-service.ts'
import type { OnionKey } from '../../crypto/onion-key.ts'
import { readOnionKey } from '../onion/key.ts'
import type { OnionShape } from '../onion/config.ts'
import { type FileChange, nameToCome, type Plan, type PlanStep } from './plan.ts'
import { editIni, type IniWishes } from './setup-ini.ts'
import { managedPlace, withInclude } from './managed.ts'
import { instanceOf } from './take-service-out.ts'
import { instancePaths } from '../process/system-instance.ts'
import { readTorrcExtra } from '../process/torrc.ts'

export interface PlanOptions {
  readonly form: 'own' | 'system' | 'torrc'
  readonly instance: string
  readonly ini: string
  readonly keyFile: string
  readonly ports: readonly OnionPort[]
  readonly shape: OnionShape
  readonly wishes: Pick<IniWishes, 'web' | 'introDefence' | 'socksPort' | 'socksProxy'>
  /** Of the command line, else of the INI file. */
  readonly torrcExtra: string | undefined
  readonly adoption?: Adoption | undefined
  readonly importKey?: OnionKey | undefined
  /** When tor is not there yet, or the Tor Project's is wanted. */
  readonly installation?: Installation | undefined
  /** Whether the relay's user has to be let into the instance's control socket; its name. */
  readonly joins?: string | undefined
}

/**
 * The steps that `tor setup` will take, with the files as they are and as they will be.
 *
 * @throws AppError as of `readIni`, `readOnionKey`, `readTorrcExtra` and `editIni`
 */
export async function planSetup(options: PlanOptions): Promise<Plan> {
  const { form, instance, ini, keyFile, adoption, importKey, shape, wishes, torrcExtra, installation } = options
  const kept = await readOnionKey(keyFile)
  const place = form === 'torrc' && adoption ? adoption.service.directory : managedPlace(instance).directory
  const managed = form === 'torrc' ? await managedHostname(place).catch(() => undefined) : undefined
  const hostname = managed ?? (kept ?? adoption?.key ?? importKey)?.hostname ?? nameToCome
  const text = (await readIni(ini)).text
  const iniWishes = { ...wishes, mode: form, torrcExtra, shape, ...(form === 'own' ? {} : { instance }) }
  const present = await readIfThere(sourcesFile())
  const isWritten = kept !== undefined || form === 'torrc'
  return {
    steps: [
      ...(installation ? installationSteps(installation, present) : []),
      ...(form === 'own' ? [ownStep(options)] : await systemSteps(options)),
      ...(form === 'torrc' || !adoption ? [] : [adoptionStep(adoption)]),
      ...(isWritten ? [] : [{ text: keyText(options), files: [newKey(keyFile)] }]),
      {
        text: 'Write the onion name and the settings into the INI file',
        files: [{ path: ini, before: text, after: editIni(text, hostname, iniWishes).text }],
      },
      { text: 'Connect to the Tor network, and wait until it has the descriptor' },
      { text: 'Reach the relay from outside through Tor, if it is running, and show its address' },
    ],
  }
}

function ownStep({ shape, wishes }: PlanOptions): PlanStep {
  const { socksPort } = wishes
  const socks = socksPort === undefined ? '' : `, and SOCKS on 127.0.0.1:${socksPort}`
  return { text: `Start a tor of the relay's own ${manner(shape)}${shape.mode === 'anonymous' ? socks : ''}` }
}

async function systemSteps(options: PlanOptions): Promise<PlanStep[]> {
  const { form, instance, shape, torrcExtra, ports, wishes, adoption, joins } = options
  if (form === 'torrc' && adoption) return [{ text: `Leave the service in ${adoption.service.torrc} as it is` }]
  const extra = torrcExtra === undefined ? undefined : await readTorrcExtra(torrcExtra)
  const place = managedPlace(instance)
  const managed = form === 'torrc' ? { directory: place.directory, ports } : undefined
  const { socksPort, introDefence } = wishes
  const wanted = await instanceTorrc({ shape, socksPort, managed, introDefence }, extra).catch(() => '')
  const files: FileChange[] = [{ path: place.torrc, before: await readIfThere(place.torrc), after: wanted }]
  if (place.mainTorrc !== undefined) {
    const main = await readIfThere(place.mainTorrc)
    files.push({ path: place.mainTorrc, before: main, after: withInclude(main ?? '', place.torrc) })
  }
  const isSame = files.every(({ before, after }) => before === after)
  const member = joins === undefined ? [] : [`usermod -a -G ${instancePaths(instance).user} ${joins}`]
  const isNew = files[0]?.before === undefined && instance !== 'default'
  return [
    {
      text: `Have ${place.unit} run ${manner(shape)}${managed ? ', with the service in its torrc' : ''}`,
      files,
      commands: [
        ...(isNew ? [`tor-instance-create ${instance}`] : []),
        ...member,
        ...(isSame ? [] : [`systemctl enable ${place.unit} && systemctl restart ${place.unit}`]),
      ],
    },
  ]
}

function adoptionStep({ service, files }: Adoption): PlanStep {
  const name = instanceOf(service.torrc)
  const restart = name === undefined ? [] : [`systemctl restart tor@${name}`]
  return {
    text: `Take the service out of ${service.torrc}, so that only the relay publishes it`,
    files,
    commands: restart,
  }
}

function keyText({ adoption, importKey }: PlanOptions): string {
  if (adoption) return `Take over the key in ${join(adoption.service.directory, 'hs_ed25519_secret_key')}`
  return importKey ? 'Keep the key that is imported' : 'Make the key of the onion service, and keep it'
}

function newKey(path: string): FileChange {
  return { path, before: undefined, after: '(a secret key)', secret: true, mode: 0o600 }
}

function manner({ mode }: OnionShape): string {
  return mode === 'single-hop' ? 'in single-hop mode' : 'as an ordinary, anonymous tor'
}

async function readIfThere(path: string): Promise<string | undefined> {
  return await readFile(path, 'utf8').catch(() => undefined)
}
