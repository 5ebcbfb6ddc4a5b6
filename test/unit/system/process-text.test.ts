import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { processText, programName } from '../../../src/system/process-text.ts'

let proc: string
beforeAll(() => {
  proc = mkdtempSync(join(tmpdir(), 'smp-proc-'))
})
afterAll(() => {
  rmSync(proc, { recursive: true })
})

describe('a process is named as a person finds it', () => {
  it.each([
    ['nginx', 'nginx: master process /usr/sbin/nginx -g daemon on;', 'nginx'],
    ['MainThread', '/usr/bin/node\0/srv/app.js', 'node'],
    ['MainThread', '/usr/bin/node\0/usr/lib/smp-onion/dist/cli/main.js\0start', 'smp-server'],
    ['node', 'node\0/usr/local/bin/smp-server\0start', 'smp-server'],
    ['kworker/0:1', '', 'kworker/0:1'],
    ['', '', 'unknown'],
  ])('the kernel calls it %j, with the command %j: it is %s', (comm, cmdline, name) => {
    mkdirSync(join(proc, '7'), { recursive: true })
    writeFileSync(join(proc, '7/comm'), `${comm}\n`)
    writeFileSync(join(proc, '7/cmdline'), cmdline)
    expect(programName(7, proc)).toBe(name)
  })

  it('a process that is gone has its number only', () => {
    expect(processText(2 ** 30)).toBe(`process ${2 ** 30}`)
    expect(programName(8, proc)).toBe('unknown')
  })
})
