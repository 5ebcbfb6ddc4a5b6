// Lets a child process of a test import TypeScript: node --import ./typescript.mjs script.ts
// The compiler takes longer to load than the child to do its work, so what it made is kept.
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { register } from 'node:module'
import { isMainThread } from 'node:worker_threads'

if (isMainThread) register(import.meta.url)

const cache = new globalThis.URL('../../../node_modules/.cache/typescript-children/', import.meta.url)

export async function load(url, context, next) {
  if (!url.endsWith('.ts')) return next(url, context)
  const typescript = readFileSync(new globalThis.URL(url), 'utf8')
  const cached = new globalThis.URL(`${createHash('sha256').update(typescript).digest('hex')}.js`, cache)
  let source
  try {
    source = readFileSync(cached, 'utf8')
  } catch {
    const { default: ts } = await import('typescript')
    const compilerOptions = { target: 'es2023', module: 'esnext', verbatimModuleSyntax: true }
    source = ts.transpileModule(typescript, { compilerOptions }).outputText
    mkdirSync(cache, { recursive: true })
    const partial = `${cached.pathname}.${process.pid}`
    writeFileSync(partial, source)
    renameSync(partial, cached)
  }
  return { format: 'module', shortCircuit: true, source }
}
