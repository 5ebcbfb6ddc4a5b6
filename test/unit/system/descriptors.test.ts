import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { clientDescriptors, descriptorLimit } from '../../../src/system/descriptors.ts'

describe('descriptors', () => {
  it('descriptorLimit reads the soft limit, and returns undefined where there is none', () => {
    const directory = mkdtempSync(join(tmpdir(), 'smp-limits-'))
    const path = join(directory, 'limits')
    writeFileSync(path, 'Limit  Soft Limit  Hard Limit  Units\nMax open files            1024         524288   files\n')
    expect(descriptorLimit(path)).toBe(1024)
    expect(descriptorLimit(join(directory, 'nothing'))).toBeUndefined()
    expect(descriptorLimit()).toBeGreaterThan(0)
    rmSync(directory, { recursive: true })
  })

  it('clients never get all descriptors', () => {
    expect([65_535, 1_048_576, 1024, 256, 100, 1].map(clientDescriptors)).toEqual([59_535, 1_042_576, 768, 192, 36, 1])
  })
})
