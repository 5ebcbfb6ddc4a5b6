import { existsSync, readFileSync } from 'node:fs'
import * as v from 'valibot'

const packageSchema = v.object({ version: v.string() })
const buildSchema = v.object({ commit: v.string() })

/** `SMP server v<version> / <first 7 hex digits of the commit>`; the commit is empty when built outside git. */
export function versionLine(): string {
  return `SMP server v${packageVersion()} / ${buildCommit()}`
}

/** The version in package.json, which lies two directories above both src/cli and dist/cli. */
export function packageVersion(): string {
  return v.parse(packageSchema, readJson(new URL('../../package.json', import.meta.url))).version
}

/** From the file that the build leaves in dist. */
export function buildCommit(): string {
  const file = new URL('../build-info.json', import.meta.url)
  return existsSync(file) ? v.parse(buildSchema, readJson(file)).commit.slice(0, 7) : ''
}

function readJson(file: URL): unknown {
  return JSON.parse(readFileSync(file, 'utf8'))
}
