import * as v from 'valibot'
import { addressPassword, hostList } from '../../config/key-values.ts'
import type { Context } from '../context.ts'
import { type InitOptions, knownSourceCode } from './options.ts'
import { print } from '../output.ts'
import type { Prompt } from '../prompt.ts'

/** The questions of `init` without `-y`, as upstream asks them. Answers replace the options that they are about. */
export async function askQuestions(prompt: Prompt, flags: InitOptions, context: Context): Promise<InitOptions> {
  await prompt.ask('SMP server will be initialized (press Enter)')
  const storeLog = await prompt.yesOrNo(
    'Enable store log to restore queues and messages on server restart (Yn): ',
    true,
  )
  const dailyStats = await prompt.yesOrNo('Enable logging daily statistics (yN): ', false)
  const password = flags.passwordFile === undefined ? await askPassword(prompt) : flags.password
  const fqdn = await askHost(prompt, flags)
  const sourceCode = await askSourceCode(prompt, knownSourceCode(flags) ?? context.sourceCode)
  const usualPath = flags.webPath ?? context.paths.site
  const webPath = await prompt.ask(
    `Enter path to store generated server pages to show connection links (${usualPath}): `,
  )
  return {
    ...flags,
    disableStoreLog: !storeLog,
    dailyStats,
    password,
    fqdn,
    ...(sourceCode !== undefined && { sourceCode }),
    webPath: webPath.trim() || usualPath,
  }
}

/** `undefined` for a random password, `false` for none. */
async function askPassword(prompt: Prompt): Promise<string | false | undefined> {
  print('Require a password to create new messaging queues?')
  let question = "'r' for random (default), 'n' - no password (recommended for public servers), or enter password: "
  for (;;) {
    const answer = await prompt.ask(question)
    if (answer === '' || answer === 'r') return undefined
    if (answer === 'n') return false
    if (v.is(addressPassword, answer)) return answer
    print("Invalid password. Only latin letters, digits and symbols other than '@' and ':' are allowed")
    question = ''
  }
}

async function askHost(prompt: Prompt, flags: InitOptions): Promise<string | undefined> {
  let question = `Enter server FQDN or IP address for certificate (${flags.fqdn ?? flags.ip}): `
  for (;;) {
    const answer = (await prompt.ask(question)).trim()
    if (answer === '') return flags.fqdn
    const hosts = v.safeParse(hostList, answer)
    if (hosts.success && hosts.output.length > 0) return hosts.output.join(',')
    print(
      `Invalid host: "${answer}" ${hosts.issues?.[0].message ?? 'is a placeholder that nothing was put in place of'}.`,
    )
    question = ''
  }
}

async function askSourceCode(prompt: Prompt, usual: string | undefined): Promise<string | undefined> {
  let question = `Enter server source code URI (${usual ?? 'none'}): `
  for (;;) {
    const answer = (await prompt.ask(question)).trim()
    if (answer === '') return usual
    if (/^https?:\/\//.test(answer)) return answer
    print('Invalid source code. URI should start from http:// or https://')
    question = ''
  }
}
