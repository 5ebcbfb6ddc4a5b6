import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Random } from '../fuzz/random.ts'
import { PowerRun, type Recorded } from '../soak/power.ts'
import { whyNoRecorder } from '../soak/power/recording.ts'

const SEED = 12
const CUTS = 200
const obstacle = whyNoRecorder()

describe.skipIf(obstacle !== undefined)(`a loss of power (${obstacle ?? 'needs a C compiler'})`, () => {
  let run: PowerRun
  let recorded: Recorded
  beforeAll(async () => {
    run = await PowerRun.prepare(SEED, { clients: 6, steps: 60, cuts: CUTS })
    recorded = await run.record(0)
  })
  afterAll(() => run.end(false))

  it(`keeps everything whose reply a client of the relay had, with queues that are as they once were, ${CUTS} times`, async () => {
    const { promised } = await run.lose(recorded, new Random(SEED), CUTS)
    expect(promised).toBeGreaterThan(50 * CUTS)
  })

  it('would be noticed here if replies came before the syncs that they need', async () => {
    const unsynced = { ...recorded, operations: recorded.operations.filter(({ kind }) => kind !== 'S') }
    await expect(run.lose(unsynced, new Random(SEED), CUTS)).rejects.toThrow(/at least have to be there|is damaged/)
  })

  it('lets the relay start and serve', async () => {
    for (const seed of [1, 2]) await run.restart(recorded, new Random(seed))
  })
})
