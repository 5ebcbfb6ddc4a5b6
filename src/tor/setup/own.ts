import { runCommand } from '../../system/command.ts'
import { isForAnother } from './findings.ts'
import { requireTorMode } from '../onion/service.ts'
import { connectOwnTor } from '../process/own-tor.ts'
import { noServiceManager } from '../../system/service-manager.ts'
import { openTorSession } from '../process/session.ts'
import { inMode, type OwnSetupOptions, Setup, type SetupProgress, type SetupResult } from './setup.ts'
import { readTorrcExtra } from '../process/torrc.ts'

/**
 * The form without root: the relay's own tor. While a relay runs its tor is asked, since there is never a second one
 * on one data directory; otherwise a tor runs for as long as the setup takes.
 *
 * @throws AppError
 */
export async function setupOwnTor(options: OwnSetupOptions, progress: SetupProgress): Promise<SetupResult> {
  const { directory, binary, log, services = noServiceManager } = options
  const places = { ...options, torDirectory: directory }
  const setup = await Setup.begin(options, progress, { places, run: runCommand, services })
  const { torrcExtra, shape } = setup
  const socksPort = options.wishes?.socksPort
  if (torrcExtra !== undefined) await readTorrcExtra(torrcExtra)
  const isRoot = process.geteuid?.() === 0
  if (isForAnother(isRoot, setup.uid)) return await setup.orTakeBack(() => setup.finishWithoutTor())
  progress.begin('tor', 'Starting tor')
  const running = await connectOwnTor(directory)
  if (running) {
    progress.done('tor', `The running relay has tor ${running.version}`)
    try {
      await requireTorMode(running, shape.mode)
      return await setup.orTakeBack(() => setup.finish(running, { relayRuns: true, mode: 'own' }))
    } finally {
      running.close()
    }
  }
  return await setup.orTakeBack(async () => {
    await setup.willMake('tor', directory)
    const form = { mode: 'own', directory, binary, torrcExtra, service: shape.mode, socksPort } as const
    const tor = await openTorSession(form, log)
    try {
      progress.done('tor', `tor ${tor.control.version} runs ${inMode(shape)}`)
      const enableNetwork = tor.networkDecided ? undefined : (): Promise<void> => tor.enableNetwork()
      return await setup.finish(tor.control, { relayRuns: false, mode: 'own', enableNetwork })
    } finally {
      await tor.end()
    }
  })
}
