import { expect, it } from 'vitest'
import { controlAbsent, controlClosed, controlDenied, controlTimeout } from '../../../../src/tor/control/errors.ts'

const smp = { type: 'unix', path: '/run/tor-instances/smp/control' } as const
const machine = { type: 'unix', path: '/run/tor/control' } as const
const elsewhere = { type: 'unix', path: '/srv/tor/control' } as const

it('a tor of the system that does not answer comes with the commands that show why', () => {
  const show = 'Run: systemctl status tor@smp; journalctl -u tor@smp -n 20'
  expect([controlAbsent(smp).remedy, controlClosed(smp).remedy]).toEqual([show, show])
  expect(controlAbsent(machine).remedy).toContain('systemctl status tor@default')
  expect(controlTimeout(smp, 'GETINFO', 10_000).remedy).toBe('If this continues: systemctl restart tor@smp')
  expect(controlAbsent(elsewhere).remedy).toMatch(/^Check that this tor runs/)
})

it('a socket that may not be opened comes with the group that a restart of the relay brings', () => {
  expect(controlDenied(smp).remedy).toMatch(/gets the group _tor-smp: systemctl restart smp-server\. If it does not: /)
  expect(controlDenied(machine).remedy).toContain('the group debian-tor')
  expect(controlDenied(elsewhere).remedy).toMatch(/^Add the user to the group of the socket/)
})
