/** A public name (SMP commands §8). */
export interface Name {
  /** The whole name in lower case, 253 bytes at most. */
  readonly text: string
  /** Names of the two registries, and of the web for every other last label. */
  readonly space: 'simplex' | 'testing' | 'web'
}

const MAX_NAME = 253
const MAX_LABEL = 63
const LABEL = /^[a-z0-9]+(?:-[a-z0-9]+)*$/u

/**
 *     name  = label 1*( "." label )                ; case does not matter
 *     label = 1*alnum *( "-" 1*alnum )             ; ASCII, 63 bytes at most
 */
export function parseName(text: string): Name | undefined {
  if (text.length > MAX_NAME) return undefined
  const lower = asciiLowerCase(text)
  const labels = lower.split('.')
  if (labels.length < 2 || !labels.every(isLabel)) return undefined
  const last = labels.at(-1)
  return { text: lower, space: last === 'simplex' || last === 'testing' ? last : 'web' }
}

function isLabel(label: string): boolean {
  return label.length <= MAX_LABEL && LABEL.test(label)
}

// Not toLowerCase alone: it turns the Kelvin sign into a letter of ASCII.
function asciiLowerCase(text: string): string {
  return text.replaceAll(/[A-Z]/gu, (letter) => letter.toLowerCase())
}
