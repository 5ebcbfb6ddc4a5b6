import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Logger } from '../../src/config/log.ts'
import { silentLogger } from '../../src/config/log.ts'
import { runCommand } from '../../src/system/command.ts'
import { noServiceManager, type ServiceManager } from '../../src/system/service-manager.ts'
import type { OnionPort } from '../../src/tor/control/onion.ts'
import type { Timeouts } from '../../src/tor/onion/await-publication.ts'
import { singleHopService } from '../../src/tor/onion/service-config.ts'
import type { TorConfig } from '../../src/tor/process/session.ts'
import type { TorPlace } from '../../src/tor/process/tor-place.ts'
import type { SupervisorOptions } from '../../src/tor/supervisor/supervisor.ts'
import { OnionSupervisor } from '../../src/tor/supervisor/supervisor.ts'
import type { PlanOptions, SetupRequest } from '../../src/tor/setup/plan-setup.ts'
import type { RemoveOptions } from '../../src/tor/setup/remove.ts'
import type { SetupProgress } from '../../src/tor/setup/run-steps.ts'
import { type SetupResult, setUpTor } from '../../src/tor/setup/setup.ts'
import type { RevertTools } from '../../src/tor/setup/step.ts'

export interface SetupSurroundings {
  readonly services?: ServiceManager
  /** The tors of the machine, where they are not where Debian has them. */
  readonly place?: TorPlace
  readonly torrcs?: readonly string[]
  readonly relay?: PlanOptions['relay']
  readonly binary?: string
  readonly signal?: AbortSignal
  readonly timeouts?: Timeouts
  readonly progress?: SetupProgress
}

/** The directories of a relay that was just initialized, and what the tor layer is told about them. */
export class RelayFiles {
  readonly directory: string
  readonly ini: string
  readonly extra: string
  readonly keyFile: string
  /** What `tor setup` shows: done and left lines. */
  readonly shown: string[] = []

  private constructor(directory: string) {
    this.directory = directory
    this.ini = join(directory, 'etc', 'smp-server.ini')
    this.extra = join(directory, 'etc', 'torrc-extra')
    this.keyFile = join(directory, 'etc', 'onion.key')
  }

  static async make(ini: string, extra: readonly string[]): Promise<RelayFiles> {
    const files = new RelayFiles(await mkdtemp(join(tmpdir(), 'smp-relay-')))
    await mkdir(join(files.directory, 'etc'))
    await mkdir(join(files.directory, 'state'))
    await writeFile(files.ini, ini, { mode: 0o640 })
    await writeFile(files.extra, `${extra.join('\n')}\n`)
    return files
  }

  /** Data directory of the own tor. */
  get torDirectory(): string {
    return join(this.directory, 'state', 'tor')
  }

  get portsFile(): string {
    return join(this.directory, 'state', 'onion-ports')
  }

  get ports(): OnionPort[] {
    return [{ virtualPort: 5223, target: '127.0.0.1:5223' }]
  }

  get log(): Logger {
    return silentLogger
  }

  /** The config of an own tor with the extra lines. */
  get ownTor(): TorConfig & { mode: 'own' } {
    return { mode: 'own', directory: this.torDirectory, torrcExtra: this.extra }
  }

  get progress(): SetupProgress {
    return {
      begin: () => undefined,
      update: () => undefined,
      done: (text) => this.shown.push(text),
      left: (text) => this.shown.push(`left: ${text}`),
    }
  }

  tools({ services = noServiceManager, place, torrcs }: SetupSurroundings = {}): RevertTools {
    const { ini, keyFile, portsFile } = this
    const torPlace = place && ((): TorPlace => place)
    return { places: { ini, keyFile, portsFile, torrcs, torPlace }, run: runCommand, services }
  }

  request(request: Partial<SetupRequest> = {}): SetupRequest {
    const { ports, extra: torrcExtra } = this
    return { mode: 'own', instance: 'smp', service: singleHopService, ports, ini: {}, torrcExtra, ...request }
  }

  async setUp(request: Partial<SetupRequest> = {}, surroundings: SetupSurroundings = {}): Promise<SetupResult> {
    const { relay, binary, signal, timeouts, progress = this.progress } = surroundings
    const plan = { tools: this.tools(surroundings), relay, binary }
    return await setUpTor(this.request(request), plan, { progress, timeouts, signal })
  }

  removal(surroundings: SetupSurroundings = {}, tor?: TorConfig): RemoveOptions {
    return { tools: this.tools(surroundings), torDirectory: this.torDirectory, traces: [], tor }
  }

  supervisor(options: Partial<SupervisorOptions> = {}): OnionSupervisor {
    const { keyFile, portsFile, ports, log } = this
    return new OnionSupervisor({ tor: this.ownTor, keyFile, portsFile, ports, log, heartbeatMs: 500, ...options })
  }

  async read(): Promise<string> {
    return await readFile(this.ini, 'utf8')
  }

  /** Content, permissions and inode of everything that a setup might change. */
  async snapshot(): Promise<unknown[]> {
    const paths = [this.ini, this.keyFile, join(this.directory, 'etc', 'onion.json')]
    return await Promise.all(
      paths.map(async (path) => [
        (await readFile(path)).toString('hex'),
        (await stat(path)).mode,
        (await stat(path)).ino,
      ]),
    )
  }

  async remove(): Promise<void> {
    await rm(this.directory, { recursive: true, force: true })
  }
}

/** A tor of a test that plays the machine's own: with its torrc, and what is included in it, in `directory`. */
export function defaultTorIn(directory: string): TorPlace {
  return {
    instance: 'default',
    unit: 'tor@default',
    user: 'root',
    torrc: join(directory, 'torrc.d', 'smp-server.conf'),
    mainTorrc: join(directory, 'torrc'),
    serviceDirectory: join(directory, 'simplex-smp'),
    dataDirectory: join(directory, 'data'),
    defaults: join(directory, 'defaults'),
    control: { type: 'unix', path: join(directory, 'control') },
  }
}

export const relayIni = '# mine\r\n[TRANSPORT]\r\nhost = relay.example\r\nport = 5223\r\n\r\n[OTHER]\r\nx: 1\r\n'
