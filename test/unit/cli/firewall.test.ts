import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { firewallLines } from '../../../src/cli/firewall.ts'

let programs: string
beforeEach(() => (programs = mkdtempSync(join(tmpdir(), 'smp-firewall-'))))
afterEach(() => rmSync(programs, { recursive: true }))

it.each([
  ['ufw', ['ufw allow 5223/tcp', 'ufw allow 443/tcp']],
  ['firewall-cmd', ['firewall-cmd --permanent --add-port=5223/tcp --add-port=443/tcp', 'firewall-cmd --reload']],
])('%s is told to let clients in', (program, commands) => {
  writeFileSync(join(programs, program), '')
  chmodSync(join(programs, program), 0o755)
  expect(firewallLines([5223, 443], programs)).toEqual(commands)
})
