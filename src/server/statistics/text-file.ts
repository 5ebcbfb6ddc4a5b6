import { open } from 'node:fs/promises'

/** Appends a line to a text file, and returns when that would survive a power loss; one that was cut off stays apart. */
export async function appendLine(path: string, line: string, mode: number): Promise<void> {
  const file = await open(path, 'a+', mode)
  try {
    const { size } = await file.stat()
    const last = Buffer.alloc(1)
    if (size > 0) await file.read(last, 0, 1, size - 1)
    const isCut = size > 0 && last.toString('latin1') !== '\n'
    await file.appendFile(`${isCut ? '\n' : ''}${line}\n`, 'latin1')
    await file.sync()
  } finally {
    await file.close()
  }
}
