import { commandError, type CommandError } from './errors.ts'

type Fault = 'no entity' | 'entity' | 'no authorization' | 'authorization'

/** What may be wrong with the credentials of a command, in the order in which it is checked. */
export type CredentialRule = readonly (readonly [fault: Fault, error: CommandError])[]

const NO_AUTH = commandError('NO_AUTH')
const HAS_AUTH = commandError('HAS_AUTH')
const NO_ENTITY = commandError('NO_ENTITY')

/** No id yet, but authorised with the key inside the command. */
export const creator: CredentialRule = [
  ['no authorization', NO_AUTH],
  ['entity', HAS_AUTH],
]
/** An id, and the authorization of its owner. */
export const owner: CredentialRule = [
  ['no authorization', NO_AUTH],
  ['no entity', NO_AUTH],
]
/** An id; authorised once the queue has a sender key. */
export const sender: CredentialRule = [['no entity', NO_ENTITY]]
/** An id that anyone who knows it may use. */
export const bearer: CredentialRule = [
  ['no entity', NO_ENTITY],
  ['authorization', HAS_AUTH],
]
/** Neither. */
export const nobody: CredentialRule = [
  ['entity', HAS_AUTH],
  ['authorization', HAS_AUTH],
]

/** The first error that the rule finds. */
export function credentialError(
  rule: CredentialRule,
  hasEntity: boolean,
  hasAuthorization: boolean,
): CommandError | undefined {
  for (const [fault, error] of rule) {
    switch (fault) {
      case 'no entity':
        if (!hasEntity) return error
        break
      case 'entity':
        if (hasEntity) return error
        break
      case 'no authorization':
        if (!hasAuthorization) return error
        break
      case 'authorization':
        if (hasAuthorization) return error
        break
    }
  }
  return undefined
}
