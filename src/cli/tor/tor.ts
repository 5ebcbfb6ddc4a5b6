import type { Command } from 'commander'
import type { Context } from '../context.ts'
import { loadCommands } from '../load-commands.ts'

/** In the order of the help. */
const commands = {
  setup: async () => (await import('./setup.ts')).addTorSetup,
  status: async () => (await import('./status.ts')).addTorStatus,
  check: async () => (await import('./check.ts')).addTorCheck,
  key: async () => (await import('./key.ts')).addTorKey,
  client: async () => (await import('./client.ts')).addTorClient,
  rotate: async () => (await import('./rotate.ts')).addTorRotate,
  remove: async () => (await import('./remove.ts')).addTorRemove,
}

export async function addTor(program: Command, { paths, args }: Context): Promise<void> {
  const tor = program.command('tor').description('Set up and manage the onion service of this relay')
  for (const add of await loadCommands(commands, args[1])) add(tor, { paths })
}
