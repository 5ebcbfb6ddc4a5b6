import { copyFile } from 'node:fs/promises'
import { afterAll, beforeAll, expect, inject, it } from 'vitest'
import { CONTESTED } from '../../src/tor/onion/descriptor.ts'
import type { OnionSupervisor } from '../../src/tor/supervisor/supervisor.ts'
import type { TorNetwork } from '../tor-network/fixture.ts'
import { torNetwork } from '../tor-network/fixture.ts'
import { RelayFiles, relayIni } from './tor-relay.ts'

/*
 * Two tors with the same onion key: the directories keep the descriptor that was made last, and the tor that loses is
 * told of nothing.
 */

let network: TorNetwork
let files: RelayFiles
let supervisor: OnionSupervisor
const warnings: string[] = []

beforeAll(async () => {
  network = await torNetwork(inject('torNetwork'))
  files = await RelayFiles.make(relayIni, network.joinTorrc)
  await files.setUp()
  const log = { ...files.log, warn: (text: string) => warnings.push(text) }
  supervisor = files.supervisor({ evidenceIntervalMs: 2000, log })
}, 120_000)
afterAll(async () => {
  await supervisor.stop()
  await files.remove()
})

const phase = (): string => supervisor.state.phase

it('its own descriptor is known as its own, of either time period and after tor was restarted', async () => {
  supervisor.start()
  for (const restarts of [0, 1]) {
    await expect.poll(phase, { timeout: 60_000 }).toBe('published')
    const { confirmedAt = new Date() } = supervisor.state
    // Two more answers of directories.
    for (let answers = 0; answers < 2; answers++) {
      const before = supervisor.state.confirmedAt
      await expect.poll(() => supervisor.state.confirmedAt, { timeout: 20_000 }).not.toEqual(before)
    }
    expect(supervisor.state.confirmedAt?.getTime()).toBeGreaterThan(confirmedAt.getTime())
    expect(supervisor.state).toMatchObject({ restarts })
    expect(supervisor.state.contestedAt).toBeUndefined()
    if (restarts === 0) process.kill(supervisor.state.torPid ?? 0, 'SIGKILL')
    await expect.poll(() => supervisor.state.restarts, { timeout: 10_000 }).toBe(1)
  }
}, 180_000)

it('a second tor with the same key is named once, and the service is no longer called published', async () => {
  const rival = await RelayFiles.make(relayIni, network.joinTorrc)
  await rival.setUp()
  await copyFile(files.keyFile, rival.keyFile)
  const rivals = rival.supervisor()
  rivals.start()
  try {
    await expect.poll(() => supervisor.state.contestedAt, { timeout: 40_000 }).toBeInstanceOf(Date)
    expect(supervisor.state).toMatchObject({ phase: 'publishing', restarts: 1 })
    // Nothing that its own check finds makes it publish again at once.
    const { uploads } = supervisor.state.publication ?? {}
    await supervisor.check()
    await supervisor.check()
    expect(supervisor.state.publication?.uploads).toBe(uploads)
    expect(warnings.filter((text) => text.includes(CONTESTED))).toHaveLength(1)
  } finally {
    await rivals.stop()
    await rival.remove()
  }
}, 60_000)

it('it is published again by the next tor once the other is gone', async () => {
  process.kill(supervisor.state.torPid ?? 0, 'SIGKILL')
  await expect.poll(() => supervisor.state.restarts, { timeout: 10_000 }).toBe(2)
  await expect.poll(phase, { timeout: 40_000 }).toBe('published')
  const { confirmedAt } = supervisor.state
  await expect.poll(() => supervisor.state.confirmedAt, { timeout: 20_000 }).not.toEqual(confirmedAt)
  expect(supervisor.state.contestedAt).toBeUndefined()
}, 80_000)
