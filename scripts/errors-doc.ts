import { writeFileSync } from 'node:fs'
import { ERROR_AREAS } from '../src/errors/codes.ts'

/** docs/errors.md: every error code with its cause and its cure. */
export function errorsDoc(): string {
  const areas = Object.entries(ERROR_AREAS).map(([area, codes]) => {
    const entries = Object.entries(codes).map(([code, { cause, cure }]) => `### ${code}\n\n${cause}\n\nCure: ${cure}\n`)
    return `## ${area}\n\n${entries.join('\n')}`
  })
  return `${HEAD}\n${areas.join('\n')}`
}

const HEAD = `# Error codes

An error of \`smp-server\` says what happened, why if that is known, and what to run. Here is every error with its cause and
its cure.

This page is generated from \`src/errors/codes.ts\` (\`npm run docs\`).
`

if (import.meta.main) writeFileSync(new URL('../docs/errors.md', import.meta.url), errorsDoc())
