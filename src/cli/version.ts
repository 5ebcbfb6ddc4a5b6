import type { Command } from 'commander'
import type { Context } from './context.ts'
import { print } from './output.ts'

export function addVersion(program: Command, context: Context): void {
  program
    .command('version')
    .description('Show version')
    .action(async () => print(await completeVersion(context)))
}

/** The line that scripts read; below it, where the source code is, and the version that `update --rollback` brings back. */
export async function completeVersion({ version, sourceCode }: Context): Promise<string> {
  const { programHome } = await import('../app/program-home.ts')
  const previous = (await programHome())?.previous
  return [
    version,
    ...(sourceCode === undefined ? [] : [`Source code: ${sourceCode}`]),
    ...(previous === undefined ? [] : [`Previous version: v${previous} (smp-server update --rollback)`]),
  ].join('\n')
}
