import type { Command } from 'commander'
import type { Context } from './context.ts'
import { loadCommands } from './load-commands.ts'

/** In the order of the help. */
const commands = {
  setup: async () => (await import('./tor-setup.ts')).addTorSetup,
  status: async () => (await import('./tor-status.ts')).addTorStatus,
  check: async () => (await import('./tor-check.ts')).addTorCheck,
  key: async () => (await import('./tor-key.ts')).addTorKey,
  rotate: async () => (await import('./tor-rotate.ts')).addTorRotate,
  remove: async () => (await import('./tor-remove.ts')).addTorRemove,
}

export async function addTor(program: Command, { paths, args }: Context): Promise<void> {
  const tor = program.command('tor').description('Give this server an onion address')
  for (const add of await loadCommands(commands, args[1])) add(tor, { paths })
}
