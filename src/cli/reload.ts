import type { Command } from 'commander'
import { askReload } from '../app/ask-reload.ts'
import { requireIni } from '../app/load-settings.ts'
import { choice } from '../config/key-values.ts'
import { type LogLevel, logLevels } from '../config/log.ts'
import { AppError } from '../errors/app-error.ts'
import type { Context } from './context.ts'
import { addOptions, checked, valueOption } from './options.ts'
import { say, saySuccess, warn } from './output.ts'

/** Has a running relay take over changes without a restart, which its clients would notice. */
export function addReload(program: Command, { paths }: Context): void {
  const command = program
    .command('reload')
    .description('Have the running relay use its changed configuration and renewed certificates; connections stay')
    .action(async (options: { logLevel?: LogLevel }) => {
      requireIni(paths)
      const reloaded = await askReload(paths, options)
      if (reloaded === undefined) {
        throw new AppError('RELAY_NOT_RUNNING', `No relay runs on ${paths.stateDir}.`, 'Run `smp-server start`.')
      }
      for (const warning of reloaded.warnings) warn(warning)
      saySuccess(reloaded.summary)
      if (options.logLevel !== undefined) say(`The log level is ${options.logLevel} until the next restart.`)
    })
  addOptions(command, [
    valueOption(
      '--log-level <LOG_LEVEL>',
      `Also log at this level until the next restart: ${logLevels.join(', ')}`,
      checked(choice(logLevels), 'Invalid log level'),
    ),
  ])
}
