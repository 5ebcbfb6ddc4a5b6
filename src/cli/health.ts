import type { Command } from 'commander'
import { askHealth } from '../app/health.ts'
import { Refusal } from '../errors/refusal.ts'
import type { Context } from './context.ts'
import { print } from './output.ts'

/** For health checks of containers and of whatever watches over the relay: one line, and the exit status. */
export function addHealth(program: Command, { paths }: Context): void {
  program
    .command('health')
    .description('Ask the running server whether it is well; exit status 1 unless it is')
    .action(async () => {
      const { healthy, line } = await askHealth(paths)
      if (!healthy) throw new Refusal(line)
      print(line)
    })
}
