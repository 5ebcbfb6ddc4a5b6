import { afterAll, beforeAll, expect, it } from 'vitest'
import type { CampaignRun } from '../soak/campaign.ts'
import { killCampaign } from '../soak/kill.ts'

const ROUNDS = 20
const SEED = 20

let run: CampaignRun
beforeAll(async () => {
  run = await killCampaign.prepare(SEED)
})
afterAll(() => run.end(false))

it(`a relay that is killed in bursts of SENDs and ACKs delivers what got OK and no ACK, once and in order, ${ROUNDS} times`, async () => {
  let [promised, acknowledged] = [0, 0]
  for (let round = 0; round < ROUNDS; round++) {
    const counts = await run.round(round)
    promised += counts.promised ?? 0
    acknowledged += counts.acknowledged ?? 0
  }
  expect(promised).toBeGreaterThan(ROUNDS)
  expect(acknowledged).toBeGreaterThan(ROUNDS)
}, 180_000)
