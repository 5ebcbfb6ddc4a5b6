import { expect, it } from 'vitest'
import { generateOnionKey } from '../../../../src/crypto/onion-key.ts'
import { parseServiceFigures } from '../../../../src/tor/process/service-figures.ts'

const { serviceId } = generateOnionKey()
const other = generateOnionKey().serviceId

/** As tor 0.4.9 writes them. */
function text(id: string, [established, open, replayed, malformed, effort, queue]: readonly number[]): string {
  return [
    '# HELP tor_hs_intro_established_count Total number of established introduction circuit',
    '# TYPE tor_hs_intro_established_count gauge',
    `tor_hs_intro_established_count{onion="${id}"} ${established ?? 0}`,
    `tor_hs_rdv_established_count{onion="${id}"} ${open ?? 0}`,
    `tor_hs_intro_rejected_intro_req_count{onion="${id}",reason="bad_auth_key"} 0`,
    `tor_hs_intro_rejected_intro_req_count{onion="${id}",reason="replay"} ${replayed ?? 0}`,
    `tor_hs_intro_rejected_intro_req_count{onion="${id}",reason="invalid_introduce2"} ${malformed ?? 0}`,
    `tor_hs_pow_suggested_effort{onion="${id}"} ${effort ?? 0}`,
    `tor_hs_rdv_pow_pqueue_count{onion="${id}"} ${queue ?? 0}`,
    `tor_hs_intro_circ_build_time_bucket{onion="${id}",le="+Inf"} 9`,
  ].join('\n')
}

it('the figures of a service are read from what tor counts, and those of another are not', () => {
  const all = `${text(other, [9, 9, 9, 9, 9, 9])}\n${text(serviceId, [3, 12, 2, 5, 20, 7])}\n`
  expect(parseServiceFigures(all, serviceId)).toEqual({
    introPoints: 3,
    rendezvous: 12,
    rejected: 7,
    powEffort: 20,
    powQueue: 7,
  })
})

it('a tor without this service, or without its counts, tells nothing', () => {
  expect(parseServiceFigures(text(other, [1]), serviceId)).toBeUndefined()
  expect(parseServiceFigures('<html>no metrics</html>', serviceId)).toBeUndefined()
  expect(parseServiceFigures(`tor_hs_intro_established_count{onion="${serviceId}"} many`, serviceId)).toBeUndefined()
})
