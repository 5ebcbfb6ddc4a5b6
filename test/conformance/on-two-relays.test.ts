import { describe } from 'vitest'

// The suites are the same; every other client connects to another relay on the same database.
process.env.SMP_TEST_STORE = 'postgres'
process.env.SMP_TEST_RELAYS = '2'

describe('with two relays on one PostgreSQL:', async () => {
  await import('./messages.test.ts')
  await import('./quota.test.ts')
  await import('./services.test.ts')
  await import('./subscribe.test.ts')
})
