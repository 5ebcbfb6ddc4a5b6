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

it(`a relay that is killed in bursts of SENDs delivers what got OK, once and in order, ${ROUNDS} times`, async () => {
  let promised = 0
  for (let round = 0; round < ROUNDS; round++) promised += (await run.round(round)).promised ?? 0
  expect(promised).toBeGreaterThan(ROUNDS)
}, 180_000)
