import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { memoryLimit } from '../../../src/system/memory-limit.ts'

describe('memoryLimit', () => {
  let root: string
  beforeEach(() => (root = mkdtempSync(join(tmpdir(), 'smp-cgroup-'))))
  afterEach(() => rmSync(root, { recursive: true }))

  function file(path: string, text: string): void {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), text)
  }

  it('is the least of all control groups of a process, of the slice above its service too', () => {
    file('proc/7/cgroup', '0::/system.slice/smp-server.service\n')
    file('sys/fs/cgroup/system.slice/smp-server.service/memory.max', 'max\n')
    file('sys/fs/cgroup/system.slice/memory.max', '67108864\n')
    expect(memoryLimit(7, root)).toBe(64 * 1024 ** 2)
  })

  it('is that of the container, whose group is the topmost that it sees', () => {
    file('proc/self/cgroup', '0::/\n')
    file('sys/fs/cgroup/memory.max', '100000000\n')
    expect(memoryLimit(undefined, root)).toBe(100_000_000)
  })

  it('is read from control groups of version 1', () => {
    file('proc/7/cgroup', '9:cpu,cpuacct:/\n4:memory:/docker/abc\n0::/\n')
    file('sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes', '50000000\n')
    expect(memoryLimit(7, root)).toBe(50_000_000)
  })

  it('is Infinity without control groups', () => {
    expect(memoryLimit(7, root)).toBe(Infinity)
  })
})
