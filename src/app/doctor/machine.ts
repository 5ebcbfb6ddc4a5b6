import { readFileSync } from 'node:fs'
import { statfs } from 'node:fs/promises'
import type { Paths } from '../../config/paths.ts'
import { clockFacts, clockFindings } from '../../tor/index.ts'
import { bytesText } from '../../system/bytes-text.ts'
import { runCommand } from '../../system/command.ts'
import { descriptorLimit } from '../../system/descriptors.ts'
import { memoryLimit } from '../../system/memory-limit.ts'
import { detectServiceManager } from '../../system/service-manager.ts'
import { diskHealth } from '../health-facts.ts'
import { checked, type Finding } from './finding.ts'
import { torProgramFinding } from './processes.ts'

/** Below these a relay with some hundred users gets into trouble. */
const MIN_DESCRIPTORS = 4096
const MIN_MEMORY_BYTES = 128 * 1024 ** 2
const MIN_FREE_INODES_SHARE = 0.01
const MAX_TRACKED_SHARE = 0.9

/** @param relayPid of the running relay, whose limits count and not those of this command */
export async function machineFindings(paths: Paths, relayPid: number | undefined): Promise<Finding[]> {
  return [
    await clockFinding(paths),
    await checked('disk', () => diskFinding(paths.stateDir)),
    ...(relayPid === undefined ? [] : [descriptorFinding(relayPid), limitFinding(relayPid)]),
    memoryFinding(relayPid),
    trackingFinding(),
    await torProgramFinding(),
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
  const limit = memoryLimit(pid)
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

/** Limits of the kernel for one process that a store grows into (proc(5), limits). */
function limitFinding(pid: number): Finding {
  const check = 'limits'
  const limits = read(`/proc/${pid}/limits`)
  const [found] = [
    { name: 'Max file size', what: 'write no file of more than', option: 'LimitFSIZE' },
    { name: 'Max address space', what: 'use no more address space than', option: 'LimitAS' },
  ].flatMap((limit) => {
    const bytes = new RegExp(`^${limit.name}\\s+(\\d+)`, 'm').exec(limits)?.[1]
    return bytes === undefined ? [] : [{ ...limit, bytes: Number(bytes) }]
  })
  if (!found)
    return { check, level: 'ok', text: 'The kernel limits neither the files nor the address space of the relay.' }
  const { what, bytes, option } = found
  const text = `The relay may ${what} ${bytesText(bytes)}, which its store can grow beyond.`
  return {
    check,
    level: 'warn',
    text,
    remedy: `Remove \`${option}=\` from the service, or the \`ulimit\` of what starts the relay.`,
  }
}

/** A full table of connections drops new ones without a word in the relay's log. */
function trackingFinding(proc = '/proc/sys/net/netfilter'): Finding {
  const check = 'connection tracking'
  const [count, max] = [`${proc}/nf_conntrack_count`, `${proc}/nf_conntrack_max`].map((path) => Number(read(path)))
  if (!count || !max || count < max * MAX_TRACKED_SHARE)
    return { check, level: 'ok', text: 'The kernel has room for more connections.' }
  const text = `The kernel tracks ${count} of at most ${max} connections, and drops new ones when that is full.`
  return { check, level: 'warn', text, remedy: `Raise it: \`sysctl -w net.netfilter.nf_conntrack_max=${max * 4}\`` }
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
