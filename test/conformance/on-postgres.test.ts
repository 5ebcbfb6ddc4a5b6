import { describe } from 'vitest'

// The suites are the same; the store of their relays is another one.
process.env.SMP_TEST_STORE = 'postgres'

describe('with PostgreSQL:', async () => {
  await import('./blocked.test.ts')
  await import('./control-port.test.ts')
  await import('./notifications.test.ts')
  await import('./queue-info.test.ts')
  await import('./refused.test.ts')
  await import('./service-associations.test.ts')
})
