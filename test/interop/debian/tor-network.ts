import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { DebianMachine } from './machine.ts'

const program = fileURLToPath(new URL('../../tor-network/tor-network', import.meta.url))

/**
 * Starts a private Tor network in the network of a machine that is booted; it ends with this process at the latest.
 *
 * @param directory that it makes for itself
 * @returns the lines with which a tor of the machine joins it
 */
export async function torNetworkUp(machine: DebianMachine, directory: string): Promise<string> {
  const up = [process.execPath, program, 'up', directory, '--owner', String(process.pid)]
  const { joinTorrc } = JSON.parse(await machine.inItsNetwork(up)) as { joinTorrc: string[] }
  return `${joinTorrc.join('\n')}\n`
}

/** @param directory where it may have been started */
export async function torNetworkDown(directory: string): Promise<void> {
  if (existsSync(directory)) await promisify(execFile)(process.execPath, [program, 'down', directory])
}
