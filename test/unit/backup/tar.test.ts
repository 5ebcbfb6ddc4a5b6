import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { readTar, type TarFile, tarHeader, writeTar } from '../../../src/backup/tar.ts'

/* With the tar program of the system as the other side. */

const directory = mkdtempSync(join(tmpdir(), 'smp-tar-'))
afterAll(() => rmSync(directory, { recursive: true }))

const modifiedAt = new Date('2026-01-02T03:04:05Z')
const file = (name: string, content: Buffer): TarFile => ({
  name,
  mode: 0o600,
  modifiedAt,
  size: content.length,
  content: [content],
})
const contents = [0, 1, 511, 512, 513, 100_000].map((size, n) => Buffer.alloc(size, n + 65))
const files = contents.map((content, n) => file(`state/${n}`, content))

async function written(list: readonly TarFile[]): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of writeTar(list)) chunks.push(chunk)
  return Buffer.concat(chunks)
}

/** Gives pieces of a size that fits nothing. */
async function* pieces(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield await Promise.resolve(bytes.subarray(at, at + size))
}

async function read(bytes: Buffer, size = 1000): Promise<[string, Buffer][]> {
  const found: [string, Buffer][] = []
  for await (const { name, content } of readTar(pieces(bytes, size))) {
    const parts: Uint8Array[] = []
    for await (const part of content) parts.push(part)
    found.push([name, Buffer.concat(parts)])
  }
  return found
}

function system(args: string[], input?: Buffer): Buffer {
  const { status, stdout, stderr } = spawnSync('tar', args, { cwd: directory, ...(input && { input }) })
  if (status !== 0) throw new Error(stderr.toString())
  return stdout
}

describe('an archive', () => {
  it('is one for the tar program', async () => {
    const bytes = await written(files)
    expect(bytes.length % 512).toBe(0)
    const lines = system(['tvf', '-', '--utc', '--numeric-owner', '--full-time'], bytes).toString().trim().split('\n')
    expect(lines.map((line) => line.replace(/ +/g, ' '))).toEqual(
      contents.map(({ length }, n) => `-rw------- 0/0 ${length} 2026-01-02 03:04:05 state/${n}`),
    )
    expect(system(['xOf', '-'], bytes)).toEqual(Buffer.concat(contents))
  })

  it('of the tar program is read, in pieces of any size', async () => {
    mkdirSync(join(directory, 'made'))
    contents.forEach((content, n) => writeFileSync(join(directory, 'made', String(n)), content))
    const names = contents.map((_content, n) => `made/${n}`)
    for (const format of ['ustar', 'v7', 'gnu']) {
      const bytes = system(['cf', '-', `--format=${format}`, ...names])
      const expected = format === 'v7' ? undefined : names.map((name, n) => [name, contents[n]])
      for (const size of [7, 511, 512, 100_000]) {
        if (expected) expect(await read(bytes, size)).toEqual(expected)
        else await expect(read(bytes, size)).rejects.toThrow('is not a tar file')
      }
    }
  })

  it('may hold files of more than 8 GiB', () => {
    const size = 3 * 2 ** 33 + 5
    const header = tarHeader({ name: 'large', mode: 0o600, modifiedAt, size })
    const listed = spawnSync('tar', ['tvf', '-'], { input: header, encoding: 'utf8' })
    expect(listed.stdout).toContain(` ${size} `)
  })

  it('with such a file says its size when it is read', async () => {
    const header = tarHeader({ name: 'large', mode: 0o600, modifiedAt, size: 2 ** 40 })
    for await (const { size } of readTar(pieces(header, 512))) {
      expect(size).toBe(2 ** 40)
      break
    }
  })

  it('that is cut off anywhere is never whole', async () => {
    const bytes = await written([file('a', Buffer.alloc(700, 1))])
    for (let length = 0; length < bytes.length - 512; length += 23) {
      await expect(read(bytes.subarray(0, length))).rejects.toThrow('ends too early')
    }
  })

  it('of which one byte of a header or of the padding is wrong is refused', async () => {
    const bytes = await written([file('a', Buffer.alloc(700, 1))])
    for (let at = 0; at < bytes.length; at += 1) {
      if (at >= 512 && at < 512 + 700) continue
      const changed = Buffer.from(bytes)
      changed.writeUInt8(bytes.readUInt8(at) ^ 0x20, at)
      // A blank in place of a zero behind the checksum is how others write it.
      if (at >= 148 && at < 156) await read(changed).catch(() => undefined)
      else await expect(read(changed)).rejects.toThrow(/damaged one|holds|too early/)
    }
  })

  it('with a link or a directory is refused with its name', async () => {
    symlinkSync('/etc/passwd', join(directory, 'symbolic'))
    mkdirSync(join(directory, 'folder'))
    await expect(read(system(['cf', '-', 'symbolic']))).rejects.toThrow('holds a link, "symbolic"')
    await expect(read(system(['cf', '-', 'folder']))).rejects.toThrow('holds a directory, "folder/"')
    await expect(read(Buffer.alloc(1024, 'x'))).rejects.toThrow('is not a tar file, or a damaged one')
  })

  it('is not written with another size than announced', async () => {
    await expect(written([{ ...file('a', Buffer.alloc(5)), size: 6 }])).rejects.toThrow('another size')
    await expect(written([file('a b', Buffer.alloc(5))])).rejects.toThrow('not a name')
  })
})
