import type { FileHandle } from 'node:fs/promises'
import { withRegularFile } from '../system/small-file.ts'

/** Where a backup is read from. */
export interface BackupSource {
  /** In messages. */
  readonly name: string
  /** Opens it as long as `use` takes. */
  read<T>(use: (chunks: AsyncIterable<Uint8Array>) => Promise<T>): Promise<T>
}

/** @param path a regular file; `read` throws whatever `withRegularFile` throws */
export function fileSource(path: string): BackupSource {
  return {
    name: path,
    read: (use) =>
      withRegularFile(path, 'Pass a file that `smp-server backup` has written.', (file: FileHandle) =>
        use(file.createReadStream({ autoClose: false })),
      ),
  }
}

/** @param stream standard input, for example */
export function streamSource(name: string, stream: AsyncIterable<Uint8Array>): BackupSource {
  return { name, read: (use) => use(stream) }
}
