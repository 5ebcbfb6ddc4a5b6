import { type Command, Option } from 'commander'
import { examine } from '../app/doctor/doctor.ts'
import { faultFinding, type Finding, type Repair, worstLevel } from '../app/doctor/finding.ts'
import type { Paths } from '../config/paths.ts'
import { Refusal } from '../errors/refusal.ts'
import type { Context } from './context.ts'
import { addOptions } from './options.ts'
import { print, say } from './output.ts'
import { isOnTerminal } from './passphrase.ts'
import { withPrompt } from './prompt.ts'
import { paint } from './terminal.ts'

interface DoctorOptions {
  readonly fix?: true
  readonly yes?: true
  readonly json?: true
}

export function addDoctor(program: Command, { paths }: Context): void {
  const command = program
    .command('doctor')
    .description('Check files, settings, identity, ports, store, onion service, backups and the machine')
    .action((options: DoctorOptions) => doctor(options, paths))
  addOptions(command, [
    new Option('--fix', 'Repair what is safe, and ask about the rest'),
    new Option('-y, --yes', 'With --fix: do the rest too, without asking'),
    new Option('--json', 'Print it as JSON; nothing is asked'),
  ])
}

async function doctor({ fix, yes, json }: DoctorOptions, paths: Paths): Promise<void> {
  if (yes && !fix)
    throw new Refusal('Error: --yes is an answer to what --fix asks.', 'Run `smp-server doctor --fix --yes`.')
  let findings = await examine(paths)
  const repairs = findings.flatMap(({ repair }) => (repair ? [repair] : []))
  if (fix && repairs.length > 0) {
    const failed = await repairAll(repairs, { isSpoken: json !== true, isAgreed: yes === true })
    findings = [...(await examine(paths)), ...failed]
  }
  const level = worstLevel(findings)
  if (json) {
    const shown = findings.map(({ check, level, text, remedy = null }) => ({ check, level, text, remedy }))
    print(JSON.stringify({ level, findings: shown }))
  } else {
    for (const finding of findings) say(...lines(finding))
    const fixable = findings.some(({ repair }) => repair) && !fix
    say(`${summary(findings)}${fixable ? ' `smp-server doctor --fix` repairs some of it.' : ''}`)
  }
  // The reason is printed already.
  if (level === 'fail') throw new Refusal()
}

/** @returns what could not be repaired */
async function repairAll(
  repairs: readonly Repair[],
  { isSpoken, isAgreed }: { readonly isSpoken: boolean; readonly isAgreed: boolean },
): Promise<Finding[]> {
  const failed: Finding[] = []
  const apply = async (repair: Repair): Promise<void> => {
    try {
      await repair.apply()
      if (isSpoken) say(`Done: ${repair.what}.`)
    } catch (error) {
      failed.push(faultFinding('fix', 'fail', error))
    }
  }
  for (const repair of repairs.filter(({ isSafe }) => isSafe || isAgreed)) await apply(repair)
  const others = repairs.filter(({ isSafe }) => !isSafe)
  if (others.length === 0 || isAgreed || !isSpoken || !isOnTerminal()) return failed
  await withPrompt(async (prompt) => {
    for (const repair of others) {
      const question = `${repair.what.charAt(0).toUpperCase()}${repair.what.slice(1)}? (y/N) `
      if (await prompt.yesOrNo(question, false)) await apply(repair)
    }
  })
  return failed
}

const MARKS = {
  ok: ['success', 'OK  '],
  warn: ['warning', 'WARN'],
  fail: ['fault', 'FAIL'],
} as const

function lines({ check, level, text, remedy }: Finding): string[] {
  const [style, mark] = MARKS[level]
  const first = `${paint(style, mark)} ${check}: ${text}`
  return level === 'ok' || remedy === undefined ? [first] : [first, `     ${remedy}`]
}

function summary(findings: readonly Finding[]): string {
  const count = (wanted: Finding['level']): number => findings.filter(({ level }) => level === wanted).length
  return `${count('ok')} OK, ${count('warn')} WARN, ${count('fail')} FAIL.`
}
