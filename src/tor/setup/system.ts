import { AppError } from '../../errors/app-error.ts'
import { instanceTorrc } from '../process/instance-torrc.ts'
import { requireTorMode } from '../onion/service.ts'
import { connectSoon, inMode, Setup, type SetupProgress, type SetupResult, type SystemSetupOptions } from './setup.ts'
import {
  createInstance,
  instanceExists,
  instancePaths,
  joinInstanceGroup,
  missingParents,
  writeInstanceTorrc,
} from '../process/system-instance.ts'
import { readTorrcExtra } from '../process/torrc.ts'

/**
 * The form for root: a tor instance of the system, which outlives the relay.
 *
 * @throws AppError
 */
export async function setupSystemTor(options: SystemSetupOptions, progress: SetupProgress): Promise<SetupResult> {
  if (process.geteuid?.() !== 0) {
    const remedy = 'Run it with sudo, or let the relay run its own tor, which needs no root.'
    throw new AppError('NEEDS_ROOT', 'Only root can make a tor instance of the system.', remedy)
  }
  const { instance: name, services, run } = options
  const { unit, control: endpoint } = instancePaths(name)
  const setup = await Setup.begin(options, progress, { places: options, run, services })
  const extra = setup.torrcExtra === undefined ? undefined : await readTorrcExtra(setup.torrcExtra)
  progress.begin('tor', `Preparing the tor instance ${name}`)
  const { shape } = setup
  return await setup.orTakeBack(async () => {
    const wasActive = await services.isActive(unit)
    if (!(await instanceExists(name, run))) {
      await setup.record({ type: 'instance', name, parents: missingParents() })
    }
    await createInstance(name, run)
    const wanted = await instanceTorrc({ shape, socksPort: options.wishes?.socksPort }, extra)
    const torrc = await writeInstanceTorrc(name, wanted, extra, run, async (present) => {
      if (wasActive) await setup.record({ type: 'unit', name, was: 'running' })
      await setup.record({ type: 'torrc', name, before: present ?? null })
    })
    if (torrc.changed) setup.changes.push(torrc.torrc)
    const record = (user: string): Promise<void> => setup.record({ type: 'member', name, user })
    const joined = await joinInstanceGroup(name, setup.uid, run, record)
    if (joined !== undefined) setup.changes.push(`groups of the user ${joined}`)
    progress.update('tor', `${wasActive && torrc.changed ? 'Restarting' : 'Starting'} ${unit}`)
    if (!wasActive) {
      await setup.record({ type: 'unit', name, was: 'stopped' })
      await services.enable(unit)
    }
    // A reload would end it: single-hop mode cannot be switched on in a running tor.
    else if (torrc.changed) await services.restart(unit)
    const control = await connectSoon(endpoint)
    try {
      await requireTorMode(control, shape.mode)
      progress.done('tor', `${unit} runs tor ${control.version} ${inMode(shape)}`)
      const result = await setup.finish(control, { relayRuns: false, mode: 'system', instance: name })
      return { ...result, joined }
    } finally {
      control.close()
    }
  })
}
