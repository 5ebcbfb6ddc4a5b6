import { existsSync, readFileSync } from 'node:fs'
import * as v from 'valibot'

const packageSchema = v.object({
  version: v.string(),
  repository: v.optional(v.union([v.string(), v.object({ url: v.string() })])),
})
const buildSchema = v.object({ commit: v.string(), sourceCode: v.optional(v.string()) })

/** `SMP server v<version> / <first 7 hex digits of the commit>`; the commit is empty when built outside git. */
export function versionLine(): string {
  return `SMP server v${packageVersion()} / ${buildCommit().slice(0, 7)}`
}

/** Version and commit as they are on the disk now, which an update may have changed. */
export function programBuild(): string {
  return `${packageVersion()} ${buildCommit().slice(0, 7)}`.trim()
}

/** The version in package.json, which lies two directories above both src/cli and dist/cli. */
export function packageVersion(): string {
  return packageFacts().version
}

/**
 * Where the source code of this program is: what the build was told in `SOURCE_CODE_URL`, else `repository` of
 * package.json; undefined when neither says so.
 */
export function programSourceCode(): string | undefined {
  const built = buildInfo()?.sourceCode
  if (built !== undefined) return built
  const { repository } = packageFacts()
  return repository === undefined
    ? undefined
    : browsableUri(typeof repository === 'string' ? repository : repository.url)
}

/** The web page of a repository that package.json names, for example as `git+https://host/path.git`. */
export function browsableUri(repository: string): string | undefined {
  return /^(?:git\+)?(https?:\/\/\S+?)(?:\.git)?$/.exec(repository)?.[1]
}

function packageFacts(): v.InferOutput<typeof packageSchema> {
  return v.parse(packageSchema, readJson(new URL('../../package.json', import.meta.url)))
}

/** The whole commit, from the file that the build leaves in dist; empty when built outside git. */
export function buildCommit(): string {
  return buildInfo()?.commit ?? ''
}

function buildInfo(): v.InferOutput<typeof buildSchema> | undefined {
  const file = new URL('../build-info.json', import.meta.url)
  return existsSync(file) ? v.parse(buildSchema, readJson(file)) : undefined
}

function readJson(file: URL): unknown {
  return JSON.parse(readFileSync(file, 'utf8'))
}
