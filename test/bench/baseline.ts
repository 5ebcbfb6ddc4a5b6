import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { atEnd } from './at-end.ts'
import { number, type Result } from './report.ts'

/** The benchmark of one commit, compiled. */
interface Build {
  readonly name: string
  readonly program: string
}

export interface Comparison {
  /** Anything that git takes for a commit. */
  readonly baseline: string
  readonly rounds: number
  /** For the benchmark itself. */
  readonly args: readonly string[]
}

/** One number of all rounds. */
export interface Compared {
  readonly measurement: string
  readonly name: string
  readonly unit: string
  /** In the order of the rounds. */
  readonly now: readonly number[]
  readonly before: readonly number[]
  /** Of the medians, now to before. */
  readonly ratio: number
}

const project = resolve(fileURLToPath(new URL('../../..', import.meta.url)))

/**
 * Measures these sources and those of another commit in turn, so that what else the machine does meets both.
 *
 * @throws Error when a commit cannot be built or measured
 */
export const compareWith = ({ baseline, rounds, args }: Comparison): Compared[] => {
  const directory = mkdtempSync(join(tmpdir(), 'smp-bench-baseline-'))
  const tree = join(directory, 'tree')
  atEnd(() => {
    spawnSync('git', ['worktree', 'remove', '--force', tree], { cwd: project })
    rmSync(directory, { recursive: true, force: true })
  })
  run('git', ['worktree', 'add', '--detach', tree, baseline], project)
  symlinkSync(join(project, 'node_modules'), join(tree, 'node_modules'))
  run(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.bench.json'], tree)
  const program = 'dist-bench/test/bench/main.js'
  const builds: Build[] = [
    { name: baseline, program: join(tree, program) },
    { name: 'these sources', program: join(project, program) },
  ]
  const results = builds.map((): Result[][] => [])
  for (let round = 1; round <= rounds; round++) {
    for (const [at, build] of builds.entries()) {
      console.log(`round ${round} of ${rounds}: ${build.name}`)
      results[at]?.push(resultsOf(build, args, join(directory, 'results.json')))
    }
  }
  const [before = [], now = []] = results
  return compared(now, before)
}

function resultsOf({ program }: Build, args: readonly string[], file: string): Result[] {
  run(process.execPath, [program, ...args, '--json', file], project)
  return (JSON.parse(readFileSync(file, 'utf8')) as { results: Result[] }).results
}

function run(command: string, args: readonly string[], cwd: string): void {
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd, encoding: 'utf8' })
  if (error) throw error
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} failed:\n${stdout}${stderr}`)
}

/** The results that both have. */
export function compared(now: readonly Result[][], before: readonly Result[][]): Compared[] {
  const [first = []] = now
  return first.flatMap(({ measurement, name, unit }) => {
    const valuesIn = (rounds: readonly Result[][]): number[] =>
      rounds.flatMap((results) =>
        results.filter((one) => one.measurement === measurement && one.name === name).map(({ value }) => value),
      )
    const values = { now: valuesIn(now), before: valuesIn(before) }
    if (values.before.length === 0) return []
    return [{ measurement, name, unit, ...values, ratio: median(values.now) / median(values.before) }]
  })
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  const [below = NaN, above = NaN] = [sorted[middle - 1], sorted[middle]]
  return sorted.length % 2 === 0 ? (below + above) / 2 : above
}

/** The line of one number: medians with their least and greatest, and the ratio. */
export function comparedLine({ name, unit, now, before, ratio }: Compared): string {
  const text = (values: readonly number[]): string =>
    `${number(median(values))} (${number(Math.min(...values))}–${number(Math.max(...values))})`
  return `  ${name.padEnd(60)} ${text(now).padEnd(28)} ${text(before).padEnd(28)} ${unit.padEnd(12)} ${ratio.toFixed(2)}`
}
