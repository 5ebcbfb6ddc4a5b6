import { readFileSync } from 'node:fs'
import { statfs } from 'node:fs/promises'
import { join } from 'node:path'
import type { Paths } from '../../config/paths.ts'
import { clockFacts, clockFindings } from '../../tor/index.ts'
import { bytesText } from '../../system/bytes-text.ts'
import { runCommand } from '../../system/command.ts'
import { descriptorLimit } from '../../system/descriptors.ts'
import { detectServiceManager } from '../../system/service-manager.ts'
import { diskHealth } from '../health-facts.ts'
import { checked, type Finding } from './finding.ts'

/** Below these a relay with some hundred users gets into trouble. */
const MIN_DESCRIPTORS = 4096
const MIN_MEMORY_BYTES = 128 * 1024 ** 2
const MIN_FREE_INODES_SHARE = 0.01

/** @param relayPid of the running relay, whose limits count and not those of this command */
export async function machineFindings(paths: Paths, relayPid: number | undefined): Promise<Finding[]> {
  return [
    await clockFinding(paths),
    await checked('disk', () => diskFinding(paths.stateDir)),
    ...(relayPid === undefined ? [] : [descriptorFinding(relayPid)]),
    memoryFinding(relayPid),
  ]
}

async function clockFinding({ tor, torClient }: Paths): Promise<Finding> {
  const services = detectServiceManager(runCommand)
  const torDirectories = [tor, torClient]
  const [worst] = clockFindings(await clockFacts({ run: runCommand, services, torDirectories, now: new Date() }))
  if (!worst) return { check: 'clock', level: 'ok', text: 'Nothing says that the clock is wrong.' }
  const { code, text, remedy } = worst
  return { check: 'clock', level: code === 'CLOCK_BEHIND' ? 'fail' : 'warn', text, remedy }
}

async function diskFinding(directory: string): Promise<Omit<Finding, 'check'>> {
  const disk = await diskHealth(directory)
  if (disk?.ok === false) {
    return {
      level: 'fail',
      text: disk.problem ?? '',
      remedy: `See what takes the space: \`du -xh ${directory} | sort -h | tail\``,
    }
  }
  const { files, ffree } = await statfs(directory)
  if (files > 0 && ffree < files * MIN_FREE_INODES_SHARE) {
    const text = `The disk of ${directory} has only ${ffree} of ${files} inodes free: it takes no more files.`
    return {
      level: 'fail',
      text,
      remedy: 'Delete small files that nobody needs: `df -i` and `du --inodes -x / | sort -n | tail`',
    }
  }
  const free = disk === null ? 'room' : `${bytesText(disk.freeBytes)} free`
  return { level: 'ok', text: `The disk of ${directory} has ${free}.` }
}

function descriptorFinding(pid: number): Finding {
  const check = 'descriptors'
  const limit = descriptorLimit(`/proc/${pid}/limits`)
  if (limit === undefined) return { check, level: 'ok', text: 'The limit of open files is unknown.' }
  if (limit >= MIN_DESCRIPTORS)
    return { check, level: 'ok', text: `The relay may open ${limit} files and connections.` }
  const text = `The relay may open only ${limit} files and connections.`
  return {
    check,
    level: 'warn',
    text,
    remedy: 'Run `systemctl edit smp-server`, add [Service] and LimitNOFILE=65535, and restart the relay.',
  }
}

function memoryFinding(pid: number | undefined): Finding {
  const check = 'memory'
  const free = /^MemAvailable:\s+(\d+) kB/m.exec(read('/proc/meminfo'))?.[1]
  const available = free === undefined ? Infinity : Number(free) * 1024
  const group = /^0::(.*)$/m.exec(read(`/proc/${pid ?? 'self'}/cgroup`))?.[1]
  const limit = group === undefined ? NaN : parseInt(read(join('/sys/fs/cgroup', group, 'memory.max')), 10)
  if (limit < MIN_MEMORY_BYTES) {
    const text = `The relay may use only ${bytesText(limit)} of memory.`
    return {
      check,
      level: 'warn',
      text,
      remedy: 'Raise MemoryMax of the service, or the memory limit of the container.',
    }
  }
  if (available >= MIN_MEMORY_BYTES) return { check, level: 'ok', text: 'There is enough memory.' }
  const text = `Only ${bytesText(available)} of memory are available.`
  return { check, level: 'warn', text, remedy: 'See what takes it: `ps aux --sort -rss | head`' }
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
