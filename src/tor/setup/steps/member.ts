import { joinGroup } from '../../process/system-instance.ts'
import { torPlace, type TorPlace } from '../../process/tor-place.ts'
import type { RevertTools, Step } from '../step.ts'

/** Adds the relay's user to the group that may use the instance's control socket. */
export function memberStep(place: TorPlace, user: string, tools: RevertTools): Step {
  const { user: group, instance: name } = place
  return {
    describe: `Give ${user} access to the control socket of ${place.unit}`,
    isDone: false,
    changes: { commands: [`usermod -a -G ${group} ${user}`] },
    entries: [{ type: 'member', name, user }],
    apply: () => joinGroup(place, user, tools.run),
    revert: () => revertMember(name, user, tools),
  }
}

export async function revertMember(
  name: string,
  user: string,
  { places, run }: RevertTools,
): Promise<readonly string[]> {
  // Fails when the user is not a member any more.
  await run('gpasswd', ['-d', user, (places.torPlace ?? torPlace)(name).user])
  return []
}
