// What tsc leaves to do: the files of the web site that are no TypeScript; dist/build-info.json with the commit that was
// built, and with where its source code is when SOURCE_CODE_URL says so; and the command made executable.
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

/** Where users find this source code, as a web page: what the AGPL asks of whoever runs a changed relay for others. */
function sourceCode() {
  const url = process.env.SOURCE_CODE_URL
  if (url === undefined || url === '') return undefined
  if (/^https?:\/\/[^\s?#]+$/.test(url)) return url.replace(/\/+$/, '')
  throw new Error(`SOURCE_CODE_URL=${url} is not the address of a web page, such as https://code.example/relay`)
}

cpSync(join(root, 'src/web/media'), join(dist, 'web/media'), {
  recursive: true,
  filter: (path) => !path.endsWith('.d.ts'),
})
writeFileSync(join(dist, 'build-info.json'), `${JSON.stringify({ commit: commit(), sourceCode: sourceCode() })}\n`)
chmodSync(join(dist, 'cli', 'main.js'), 0o755)
