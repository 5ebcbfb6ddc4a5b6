import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Logger } from '../../src/config/log.ts'
import { silentLogger } from '../../src/config/log.ts'
import type { SupervisorOptions } from '../../src/tor/supervisor/supervisor.ts'
import { OnionSupervisor } from '../../src/tor/supervisor/supervisor.ts'
import type { OwnSetupOptions, SetupProgress } from '../../src/tor/setup/setup.ts'

/** The directories of a relay that was just initialised, and what the tor layer is told about them. */
export class RelayFiles {
  readonly directory: string
  readonly ini: string
  readonly extra: string
  readonly keyFile: string
  /** One line per step, as `tor setup` shows them. */
  readonly steps: string[] = []

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

  get own(): OwnSetupOptions {
    return { ...this.common, directory: join(this.directory, 'state', 'tor'), torrcExtra: this.extra }
  }

  get common(): {
    ini: string
    keyFile: string
    portsFile: string
    ports: { virtualPort: number; target: string }[]
    log: Logger
  } {
    return {
      ini: this.ini,
      keyFile: this.keyFile,
      portsFile: join(this.directory, 'state', 'onion-ports'),
      ports: [{ virtualPort: 5223, target: '127.0.0.1:5223' }],
      log: silentLogger,
    }
  }

  get progress(): SetupProgress {
    return {
      begin: () => undefined,
      update: () => undefined,
      done: (step) => this.steps.push(step),
      left: (step, text) => this.steps.push(`${step} left: ${text}`),
    }
  }

  keeper(options: Partial<SupervisorOptions> = {}): OnionSupervisor {
    const { keyFile, portsFile, ports, log } = this.common
    const form = { mode: 'own', directory: this.own.directory, torrcExtra: this.extra } as const
    return new OnionSupervisor({ form, keyFile, portsFile, ports, log, heartbeatMs: 500, ...options })
  }

  async read(): Promise<string> {
    return await readFile(this.ini, 'utf8')
  }

  /** Content and permissions of everything that a setup might change. */
  async snapshot(): Promise<unknown[]> {
    const paths = [this.ini, this.keyFile, this.common.portsFile]
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

export const relayIni = '# by hand\r\n[TRANSPORT]\r\nhost = relay.example\r\nport = 5223\r\n\r\n[OTHER]\r\nx: 1\r\n'
