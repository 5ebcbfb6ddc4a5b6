import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { projectRoot } from '../project-root.ts'
import { buildProgram } from './cli-process.ts'

const directory = mkdtempSync(join(tmpdir(), 'smp-build-'))
const dist = join(directory, 'dist')

beforeAll(async () => {
  await buildProgram()
  cpSync(join(projectRoot, 'dist'), dist, { recursive: true })
  for (const name of ['package.json', 'node_modules']) symlinkSync(join(projectRoot, name), join(directory, name))
})
afterAll(() => rmSync(directory, { recursive: true }))

/** Ends a build with this SOURCE_CODE_URL. */
function finishBuild(url?: string): { status: number | null; stderr: string } {
  return spawnSync(process.execPath, [join(projectRoot, 'scripts/finish-build.mjs'), dist], {
    env: { PATH: process.env.PATH, ...(url !== undefined && { SOURCE_CODE_URL: url }) },
    encoding: 'utf8',
  })
}

function smpServer(...args: string[]): string {
  return spawnSync(process.execPath, [join(dist, 'cli/main.js'), ...args], {
    env: { SMP_SERVER_CFG_PATH: join(directory, 'etc'), SMP_SERVER_LOG_PATH: join(directory, 'var') },
    encoding: 'utf8',
  }).stdout
}

describe('a build that is told SOURCE_CODE_URL', () => {
  it('names it in --version, and for a bare --source-code', () => {
    expect(finishBuild('https://code.example/relay/').status).toBe(0)
    expect(smpServer('--version')).toMatch(/^SMP server v\S+ \/ \S*\nSource code: https:\/\/code\.example\/relay\n$/)
    expect(smpServer('init', '-y', '--source-code')).toContain('Server source code: https://code.example/relay\n')
  })

  it('fails when that is not the address of a web page', () => {
    const { status, stderr } = finishBuild('git@code.example:relay.git')
    expect(status).not.toBe(0)
    expect(stderr).toContain('SOURCE_CODE_URL=git@code.example:relay.git is not the address of a web page')
  })
})

it('a build without SOURCE_CODE_URL names no source code', () => {
  expect(finishBuild().status).toBe(0)
  expect(smpServer('--version')).toMatch(/^SMP server v\S+ \/ \S*\n$/)
})
