import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, rmdirSync, statSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { outcome, succeed, type Outcome } from './command.ts'
import { endOf, firstLine, Mounts } from './mounts.ts'
import { baseSystem, npmSettings, ownCodename, releaseOf, type Release } from './release.ts'

/*
 * A fresh Debian or Ubuntu, made by debootstrap from packages of the servers that this machine's apt uses. It is in
 * memory, in namespaces that end with this process, whatever ends it.
 */

const checkout = resolve(import.meta.dirname, '../../..')
const systemPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
/** Wide enough that no sentence is wrapped. */
const environment = [`PATH=${systemPath}`, 'LANG=C.UTF-8', 'DEBIAN_FRONTEND=noninteractive', 'COLUMNS=10000']

export class DebianMachine {
  /** Where the checkout is in it; what is written there stays in it. */
  static readonly checkout = '/src'

  readonly #mounts: Mounts
  readonly #root: string
  readonly #cgroup = `smp-onion-test-${process.pid}`
  #systemd: { readonly process: ChildProcess; readonly pid: string } | undefined

  private constructor(mounts: Mounts) {
    this.#mounts = mounts
    this.#root = mounts.root
  }

  /**
   * @param packages beside the smallest system
   * @param codename the release, that of this machine where none is named
   * @param keyring who signs it, where debootstrap of this machine does not know
   */
  static async make(packages: readonly string[], codename = ownCodename, keyring?: string): Promise<DebianMachine> {
    const machine = new DebianMachine(await Mounts.make('smp-debian'))
    try {
      await machine.#install(packages, await releaseOf(codename), keyring)
    } catch (error) {
      await machine.close()
      throw error
    }
    return machine
  }

  async #install(packages: readonly string[], release: Release, keyring?: string): Promise<void> {
    const root = this.#root
    await this.#mounts.run(['tar', '-C', root, '-xf', await baseSystem(release, keyring)])
    await this.write('/etc/resolv.conf', readFileSync('/etc/resolv.conf', 'utf8'))
    const acquire = (await succeed('apt-config', ['dump', 'Acquire']))
      .split('\n')
      .filter((line) => /^Acquire::https?:/.test(line))
    // It is in memory.
    const settings = [...acquire, 'APT::Keep-Downloaded-Packages "false";']
    await this.write('/etc/apt/apt.conf.d/90machine', `${settings.join('\n')}\n`)
    const lines = release.sources.map(({ uri, suite }) => `deb ${uri} ${suite} ${release.components}`)
    await this.write('/etc/apt/sources.list', `${lines.join('\n')}\n`)
    // No package starts a service.
    await this.write('/usr/sbin/policy-rc.d', '#!/bin/sh\nexit 101\n', '755')
    await this.#mounts.run(['mount', '-t', 'proc', 'proc', join(root, 'proc')])
    // Packages leave there what says that systemd runs.
    await this.#mounts.run(['mount', '-t', 'tmpfs', '-o', 'mode=755', 'tmpfs', join(root, 'run')])
    const [written, work] = [join(root, 'layers/written'), join(root, 'layers/work')]
    await this.#mounts.run(['mkdir', '-p', join(root, DebianMachine.checkout), written, work])
    const options = `lowerdir=${checkout},upperdir=${written},workdir=${work}`
    await this.#mounts.run(['mount', '-t', 'overlay', '-o', options, 'checkout', join(root, DebianMachine.checkout)])
    if (packages.length === 0) return
    await this.succeeds(['apt-get', 'update', '-q'])
    await this.succeeds(['apt-get', 'install', '-q', '-y', '--no-install-recommends', ...packages])
  }

  /** Lets npm and curl in it reach the registry as on this machine, by the settings of npm alone. */
  async useRegistryOfThisMachine(): Promise<void> {
    const settings = npmSettings()
    const { NODE_EXTRA_CA_CERTS: extra, SSL_CERT_FILE: all } = process.env
    const certificates = [extra, all, '/etc/ssl/certs/ca-certificates.crt'].find((path) => path && existsSync(path))
    if (certificates) await this.bind(certificates, '/etc/registry.crt')
    await this.write('/etc/npmrc', [...settings, ...(certificates ? ['cafile=/etc/registry.crt'] : []), ''].join('\n'))
  }

  /** Shows a file or directory of this machine in it, read-only. */
  async bind(from: string, to: string): Promise<void> {
    const target = join(this.#root, to)
    const isDirectory = statSync(from).isDirectory()
    await this.#mounts.run(isDirectory ? ['mkdir', '-p', target] : ['install', '-D', '/dev/null', target])
    await this.#mounts.run(['mount', '--bind', from, target])
    await this.#mounts.run(['mount', '-o', 'remount,bind,ro', target])
  }

  async write(path: string, text: string, mode = '644'): Promise<void> {
    const from = join(this.#mounts.directory, 'file')
    await writeFile(from, text)
    await this.#mounts.run(['install', '-D', '-m', mode, from, join(this.#root, path)])
  }

  /** Runs a command in it: under its systemd when that runs, otherwise with the network of this machine. */
  async run(command: readonly string[], input = ''): Promise<Outcome> {
    const systemd = this.#systemd
    const all = ['--mount', '--uts', '--ipc', '--net', '--pid', '--cgroup', '--root', '--wd']
    const entering = systemd
      ? ['nsenter', '--target', systemd.pid, ...all]
      : this.#mounts.entering(['chroot', this.#root])
    return await outcome('env', [...entering, 'env', '-i', ...environment, ...command], input)
  }

  /** The same, as the user smp. */
  async runAsSmp(command: string): Promise<Outcome> {
    return await this.run(['su', 'smp', '-c', command])
  }

  /** @returns what it prints */
  async succeeds(command: readonly string[]): Promise<string> {
    const result = await this.run(command)
    if (result.status === 0) return result.stdout
    throw new Error(`${command.join(' ')} failed (${result.status}):\n${result.stdout}\n${result.stderr}`)
  }

  /** The programs that run in it; processes may end meanwhile. */
  async executables(): Promise<string[]> {
    return (await this.succeeds(['sh', '-c', 'readlink /proc/[0-9]*/exe || true'])).split('\n')
  }

  /** Runs a command of this machine in the network that its systemd has. */
  async inItsNetwork(command: readonly string[]): Promise<string> {
    if (!this.#systemd) throw new Error('it is not booted')
    return await succeed('nsenter', ['--target', this.#systemd.pid, '--net', ...command])
  }

  /** Boots it, in a network of its own with nothing but loopback. */
  async boot(): Promise<void> {
    const script = join(import.meta.dirname, 'boot.sh')
    const join_ = hierarchies().map(
      (path) => `mkdir -p ${join(path, this.#cgroup)}; echo $$ >${join(path, this.#cgroup)}/cgroup.procs`,
    )
    const namespaces = ['--mount', '--pid', '--net', '--uts', '--ipc', '--cgroup', '--fork', '--kill-child']
    const entering = this.#mounts.entering(['unshare', ...namespaces, script])
    const process = spawn('sh', ['-euc', `${join_.join('; ')}; exec "$@"`, 'sh', ...entering, this.#root], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    this.#systemd = { process, pid: await firstLine(process) }
    for (let attempt = 0; attempt < 300; attempt++) {
      const { stdout } = await this.run(['systemctl', 'is-system-running'])
      if (/^(running|degraded)/.test(stdout)) return
      await new Promise((done) => setTimeout(done, 100))
    }
    throw new Error('systemd did not come up')
  }

  async close(): Promise<void> {
    const { process, pid } = this.#systemd ?? {}
    if (process?.exitCode === null && pid !== undefined) await endOf(process, () => process.kill('SIGKILL'))
    await this.#mounts.close()
    for (const path of hierarchies()) removeCgroup(join(path, this.#cgroup))
  }
}

/** The cgroup hierarchies that systemd wants. */
function hierarchies(): string[] {
  const root = '/sys/fs/cgroup'
  return existsSync(join(root, 'cgroup.controllers')) ? [root] : [join(root, 'systemd'), join(root, 'unified')]
}

function removeCgroup(path: string): void {
  if (!existsSync(path)) return
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    if (entry.isDirectory()) removeCgroup(join(path, entry.name))
  }
  rmdirSync(path)
}
