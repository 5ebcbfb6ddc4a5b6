import type { Command } from 'commander'
import type { Context } from './context.ts'
import { addTorCheck } from './tor-check.ts'
import { addTorKey } from './tor-key.ts'
import { addTorRemove } from './tor-remove.ts'
import { addTorRotate } from './tor-rotate.ts'
import { addTorSetup } from './tor-setup.ts'
import { addTorStatus } from './tor-status.ts'

export function addTor(program: Command, { paths }: Context): void {
  const tor = program.command('tor').description('Give this server an onion address')
  addTorSetup(tor, { paths })
  addTorStatus(tor, { paths })
  addTorCheck(tor, { paths })
  addTorKey(tor, { paths })
  addTorRotate(tor, { paths })
  addTorRemove(tor, { paths })
}
