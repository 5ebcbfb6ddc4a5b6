// Leaves dist/build-info.json with the commit that was built, and makes the command executable.
import { execFileSync } from 'node:child_process'
import { chmodSync, writeFileSync } from 'node:fs'
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

writeFileSync(join(dist, 'build-info.json'), `${JSON.stringify({ commit: commit() })}\n`)
chmodSync(join(dist, 'cli', 'main.js'), 0o755)
