import type { Command } from '../../protocol/command.ts'
import type { Reply } from '../../protocol/reply.ts'
import type { Core } from '../core.ts'
import { fail, type Context, type Outcome } from '../outcome.ts'
import type { NameResolver } from '../name-resolver.ts'

/** RSLV: resolves a public name, if a resolver is configured. */
export function resolveName(context: Context, command: Command<'RSLV'>): Outcome {
  const { core } = context
  core.stats.names.reqs++
  const { resolver } = core
  if (resolver === undefined) {
    core.stats.names.disabled++
    return fail({ type: 'NAME', error: { type: 'NO_RESOLVER' } })
  }
  return { later: () => lookUp(core, resolver, command.name) }
}

async function lookUp(core: Core, resolver: NameResolver, name: string): Promise<Reply> {
  const result = await resolver.resolve(name)
  if ('json' in result) {
    core.stats.names.succ++
    return { type: 'RNAME', json: result.json }
  }
  core.stats.names[result.error.type === 'NOT_FOUND' ? 'notFound' : 'resolverErrs']++
  return { type: 'ERR', error: { type: 'NAME', error: result.error } }
}
