// What tsc leaves to do: the files of the web site that are no TypeScript, the commit that was built in
// dist/build-info.json, and the command made executable.
import { execFileSync } from 'node:child_process'
import { chmodSync, cpSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..')
const dist = process.argv[2] ?? join(root, 'dist')

function commit() {
  try {
    return execFileSync('git', ['rev-parse', 'HEAD'], {
      cwd: root,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim()
  } catch {
    return ''
  }
}

cpSync(join(root, 'src/web/media'), join(dist, 'web/media'), {
  recursive: true,
  filter: (path) => !path.endsWith('.d.ts'),
})
writeFileSync(join(dist, 'build-info.json'), `${JSON.stringify({ commit: commit() })}\n`)
chmodSync(join(dist, 'cli', 'main.js'), 0o755)
