import { unifiedDiff } from '../../system/diff.ts'

/*
 * What `tor setup` is going to do, made before anything is changed, so that it can be read and agreed to.
 */

/** One file, before and after. */
export interface FileChange {
  readonly path: string
  /** `undefined`: there is no such file yet. */
  readonly before: string | undefined
  readonly after: string
  /** A key: its content is not shown. */
  readonly secret?: true
  /** Permissions where the file is new. */
  readonly mode?: number
}

export interface PlanStep {
  /** A sentence in the imperative, without a final stop. */
  readonly text: string
  readonly files?: readonly FileChange[]
  /** As an operator would type them. */
  readonly commands?: readonly string[]
}

export interface Plan {
  readonly steps: readonly PlanStep[]
}

/** Stands for the name that only tor, or a new key, can give. */
export const nameToCome = '<name of the new key>.onion'

/** Whether the plan leaves everything as it is. */
export function changesNothing({ steps }: Plan): boolean {
  return steps.every(({ files = [], commands = [] }) => commands.length === 0 && files.every(isUnchanged))
}

function isUnchanged({ before, after }: FileChange): boolean {
  return before === after
}

/** Numbered steps, each with the files and commands that belong to it. */
export function planLines({ steps }: Plan): string[] {
  return steps.flatMap(({ text, files = [], commands = [] }, index) => [
    `${String(index + 1).padStart(2)}. ${text}`,
    ...files
      .filter((file) => !isUnchanged(file))
      .map(({ path, before }) => `      ${before === undefined ? 'new file' : 'change'}: ${path}`),
    ...commands.map((command) => `      $ ${command}`),
  ])
}

/** The changes of all files, as a patch. */
export function planDiff({ steps }: Plan): string {
  return steps
    .flatMap(({ files = [] }) => files)
    .filter((file) => !isUnchanged(file))
    .map((file) => (file.secret ? secretDiff(file) : unifiedDiff(file.path, file.before, file.after)))
    .join('')
}

function secretDiff({ path, before }: FileChange): string {
  const from = before === undefined ? '/dev/null' : path
  return `--- ${from}\n+++ ${path}\n(a secret key, mode 0600; its content is not shown)\n`
}
