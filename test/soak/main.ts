import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import type { Campaign } from './campaign.ts'
import { clusterCampaign } from './cluster.ts'
import { killCampaign } from './kill.ts'
import { onionCampaigns } from './onion.ts'
import { powerCampaign } from './power.ts'

/*
 * npm run soak [-- CAMPAIGN… --rounds N --seed N --json FILE]: every campaign, or those that are named. Says every half
 * minute how far it is. A campaign ends at its first failure and leaves its files; the exit status is 1 then.
 */

const campaigns: readonly Campaign[] = [killCampaign, powerCampaign, clusterCampaign, ...onionCampaigns]

const usage = `Usage: npm run soak -- [CAMPAIGN…] [--rounds N] [--seed N] [--json FILE]

${campaigns.map(({ name, about, rounds }) => `  ${name.padEnd(18)} ${about} (${rounds} rounds)`).join('\n')}
`
const REPORT_EVERY_MS = 30_000

interface Summary {
  readonly campaign: string
  readonly seed: number
  readonly rounds: number
  readonly seconds: number
  readonly failure: string | undefined
  readonly figures: Readonly<Record<string, Figure>>
}

interface Figure {
  readonly sum: number
  readonly median: number
  readonly most: number
}

let interrupted = false
process.once('SIGINT', () => (interrupted = true))
process.once('SIGTERM', () => (interrupted = true))

async function soak(campaign: Campaign, rounds: number, seed: number): Promise<Summary> {
  const start = performance.now()
  const seconds = (): number => Math.round((performance.now() - start) / 1000)
  const all: Readonly<Record<string, number>>[] = []
  let failure: string | undefined
  let reportedAt = start
  const run = await campaign.prepare(seed)
  try {
    while (all.length < rounds && !interrupted) {
      all.push(await run.round(all.length))
      if (performance.now() - reportedAt < REPORT_EVERY_MS) continue
      reportedAt = performance.now()
      console.log(`${campaign.name}: ${all.length} of ${rounds} rounds in ${seconds()} s`)
    }
  } catch (error) {
    failure = `round ${all.length}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`
  } finally {
    await run.end(failure !== undefined)
  }
  if (failure !== undefined) failure += `\nIts files are in ${run.directory}.`
  return { campaign: campaign.name, seed, rounds: all.length, seconds: seconds(), failure, figures: figuresOf(all) }
}

function figuresOf(rounds: readonly Readonly<Record<string, number>>[]): Record<string, Figure> {
  const names = new Set(rounds.flatMap((round) => Object.keys(round)))
  return Object.fromEntries(
    [...names].map((name) => {
      const values = rounds.flatMap((round) => round[name] ?? []).sort((a, b) => a - b)
      const sum = values.reduce((total, value) => total + value, 0)
      return [name, { sum, median: values[values.length >> 1] ?? 0, most: values.at(-1) ?? 0 }]
    }),
  )
}

function show({ campaign, seed, rounds, seconds, failure, figures }: Summary): void {
  console.log(
    `${campaign}: ${rounds} rounds in ${seconds} s, seed ${seed}: ${failure === undefined ? 'as promised' : 'FAILED'}`,
  )
  for (const [name, { sum, median, most }] of Object.entries(figures)) {
    const total = name.endsWith('Ms') ? '' : `, in all ${sum}`
    console.log(`  ${name}: median ${Math.round(median)}, most ${Math.round(most)}${total}`)
  }
  if (failure !== undefined) console.log(`  ${failure.replaceAll('\n', '\n  ')}`)
}

function wholeNumber(text: string | undefined, instead: number): number {
  if (text === undefined) return instead
  if (/^\d{1,9}$/.test(text)) return Number(text)
  throw new Error(`${text} is not a whole number`)
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      rounds: { type: 'string' },
      seed: { type: 'string' },
      json: { type: 'string' },
      help: { type: 'boolean', short: 'h' },
    },
  })
  if (values.help) {
    console.log(usage)
    return 0
  }
  const chosen = positionals.length === 0 ? campaigns : positionals.map((name) => named(name))
  const seed = wholeNumber(values.seed, Math.floor(Math.random() * 1e9))
  const summaries: Summary[] = []
  for (const campaign of chosen) {
    if (interrupted) break
    const summary = await soak(campaign, wholeNumber(values.rounds, campaign.rounds), seed)
    show(summary)
    summaries.push(summary)
  }
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(summaries, undefined, 2)}\n`)
  return summaries.some(({ failure }) => failure !== undefined) ? 1 : 0
}

function named(name: string): Campaign {
  const campaign = campaigns.find((one) => one.name === name)
  if (campaign) return campaign
  throw new Error(`there is no campaign ${name}`)
}

try {
  process.exitCode = await main()
} catch (error) {
  console.error(`${error instanceof Error ? error.message : String(error)}\n\n${usage}`)
  process.exitCode = 1
}
