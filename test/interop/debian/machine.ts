import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, rmdirSync, statSync } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'

/*
 * A fresh Debian or Ubuntu, of the release of this machine, made by debootstrap from the packages that this machine's
 * apt uses. It is in memory, in namespaces that end with this process, whatever ends it.
 */

export interface Outcome {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

const checkout = resolve(import.meta.dirname, '../../..')
const systemPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
const environment = [`PATH=${systemPath}`, 'LANG=C.UTF-8', 'DEBIAN_FRONTEND=noninteractive']

export class DebianMachine {
  /** Where the checkout is in it; what is written there stays in it. */
  static readonly checkout = '/src'

  readonly #directory: string
  readonly #root: string
  readonly #holder: ChildProcess
  readonly #holderPid: string
  readonly #cgroup = `smp-onion-test-${process.pid}`
  #systemd: { readonly process: ChildProcess; readonly pid: string } | undefined

  private constructor(directory: string, holder: ChildProcess, holderPid: string) {
    this.#directory = directory
    this.#root = join(directory, 'root')
    this.#holder = holder
    this.#holderPid = holderPid
  }

  /** @param packages beside the smallest system */
  static async make(packages: readonly string[]): Promise<DebianMachine> {
    const directory = await mkdtemp(join(tmpdir(), 'smp-debian-'))
    await mkdir(join(directory, 'root'))
    const script = join(import.meta.dirname, 'hold.sh')
    const namespaces = ['--mount', '--pid', '--fork', '--kill-child']
    const holder = spawn('unshare', [...namespaces, script, join(directory, 'root')], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    const machine = new DebianMachine(directory, holder, await firstLine(holder))
    try {
      await machine.#install(packages)
    } catch (error) {
      await machine.close()
      throw error
    }
    return machine
  }

  async #install(packages: readonly string[]): Promise<void> {
    const { codename, sources } = await aptSources()
    const [main] = sources
    if (main === undefined) throw new Error(`apt of this machine has no packages of ${codename}`)
    const root = this.#root
    const proxy = (await succeed('apt-config', ['shell', 'p', 'Acquire::http::Proxy'])).replace(/^p=|'|\n/g, '')
    await this.outside([
      'env',
      ...(proxy === '' ? [] : [`http_proxy=${proxy}`]),
      ...['debootstrap', '--variant=minbase', `--include=${packages.join(',')}`, codename, root, main.uri],
    ])
    const acquire = (await succeed('apt-config', ['dump', 'Acquire']))
      .split('\n')
      .filter((line) => /^Acquire::https?:/.test(line))
    await this.write('/etc/apt/apt.conf.d/90machine', `${acquire.join('\n')}\n`)
    const lines = sources.map(({ uri, release }) => `deb ${uri} ${release} main`)
    await this.write('/etc/apt/sources.list', `${lines.join('\n')}\n`)
    // No package starts a service.
    await this.write('/usr/sbin/policy-rc.d', '#!/bin/sh\nexit 101\n', '755')
    await this.outside(['mount', '-t', 'proc', 'proc', join(root, 'proc')])
    // Packages leave there what says that systemd runs.
    await this.outside(['mount', '-t', 'tmpfs', '-o', 'mode=755', 'tmpfs', join(root, 'run')])
    const [written, work] = [join(root, 'layers/written'), join(root, 'layers/work')]
    await this.outside(['mkdir', '-p', join(root, DebianMachine.checkout), written, work])
    const options = `lowerdir=${checkout},upperdir=${written},workdir=${work}`
    await this.outside(['mount', '-t', 'overlay', '-o', options, 'checkout', join(root, DebianMachine.checkout)])
  }

  /** Shows a file or directory of this machine in it, read-only. */
  async bind(from: string, to: string): Promise<void> {
    const target = join(this.#root, to)
    const isDirectory = statSync(from).isDirectory()
    await this.outside(isDirectory ? ['mkdir', '-p', target] : ['install', '-D', '/dev/null', target])
    await this.outside(['mount', '--bind', from, target])
    await this.outside(['mount', '-o', 'remount,bind,ro', target])
  }

  async write(path: string, text: string, mode = '644'): Promise<void> {
    const from = join(this.#directory, 'file')
    await writeFile(from, text)
    await this.outside(['install', '-D', '-m', mode, from, join(this.#root, path)])
  }

  /** Runs a command in it: under its systemd when that runs, otherwise with the network of this machine. */
  async run(command: readonly string[], input = ''): Promise<Outcome> {
    const systemd = this.#systemd
    const chroot = ['--target', this.#holderPid, '--mount', '--pid', 'chroot', this.#root]
    const all = ['--mount', '--uts', '--ipc', '--net', '--pid', '--cgroup', '--root', '--wd']
    const entering = systemd ? ['--target', systemd.pid, ...all] : chroot
    return await outcome('nsenter', [...entering, 'env', '-i', ...environment, ...command], input)
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
    const entering = ['nsenter', '--target', this.#holderPid, '--mount', '--pid', 'unshare', ...namespaces, script]
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
    await endOf(this.#holder, () => this.#holder.stdin?.end())
    for (const path of hierarchies()) removeCgroup(join(path, this.#cgroup))
    await rm(this.#directory, { recursive: true, force: true })
  }

  /** Runs a command of this machine that sees the mounts of the other. */
  async outside(command: readonly string[]): Promise<string> {
    return await succeed('nsenter', ['--target', this.#holderPid, '--mount', '--pid', ...command])
  }
}

/** Where this machine's apt takes its own release from; the first is the release itself. */
async function aptSources(): Promise<{ codename: string; sources: { uri: string; release: string }[] }> {
  const codename = /^VERSION_CODENAME=(\w+)$/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? ''
  const targets = await succeed('apt-get', [
    'indextargets',
    '--format',
    '$(REPO_URI) $(RELEASE) $(COMPONENT)',
    'Created-By: Packages',
  ])
  const rows = targets.split('\n').map((line) => line.split(' '))
  const sources = [codename, `${codename}-updates`, `${codename}-security`].flatMap((release) => {
    const row = rows.find(([, of, component]) => of === release && component === 'main')
    return row?.[0] === undefined ? [] : [{ uri: row[0], release }]
  })
  return { codename, sources }
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

async function firstLine(child: ChildProcess): Promise<string> {
  if (!child.stdout) throw new TypeError('stdout is a pipe')
  const lines = createInterface({ input: child.stdout })
  const line = await new Promise<string | undefined>((done) => {
    lines.once('line', done)
    lines.once('close', () => done(undefined))
  })
  if (line === undefined) throw new Error('it ended before it was ready')
  return line
}

async function endOf(child: ChildProcess, how: () => void): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = new Promise((done) => child.once('exit', done))
  how()
  await ended
}

async function succeed(program: string, args: readonly string[]): Promise<string> {
  const { status, stdout, stderr } = await outcome(program, args, '')
  if (status === 0) return stdout
  throw new Error(`${program} ${args.join(' ')} failed (${status}):\n${stdout.slice(-2000)}\n${stderr.slice(-2000)}`)
}

function outcome(program: string, args: readonly string[], input: string): Promise<Outcome> {
  return new Promise((resolve_, reject) => {
    const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] })
    const output = { stdout: '', stderr: '' }
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].setEncoding('utf8')
      child[name].on('data', (text: string) => (output[name] += text))
    }
    child.on('error', reject)
    child.on('close', (status) => resolve_({ status, ...output }))
    child.stdin.on('error', () => undefined)
    child.stdin.end(input)
  })
}
