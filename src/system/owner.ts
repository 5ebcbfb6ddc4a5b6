import { lstatSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'

/*
 * Root must not act by path in a directory of another user: that user can put a symbolic link in the way at any moment.
 * Whatever root does there, it does with the rights of that user.
 */

export interface Owner {
  readonly uid: number
  readonly gid: number
}

const ROOT: Owner = { uid: 0, gid: 0 }

/** The user other than root that a directory, or the nearest one that exists, belongs to, if this process is root. */
export function foreignOwner(directory: string): Owner | undefined {
  if (process.getuid?.() !== 0) return undefined
  const owner = ownerOf(directory)
  return owner.uid === 0 ? undefined : owner
}

/** Follows a path from the top. Behind a symbolic link of a user, everything counts as that user's. */
function ownerOf(directory: string): Owner {
  let owner = ROOT
  for (const path of upwards(resolve(directory)).toReversed()) {
    const own = lstatSync(path, { throwIfNoEntry: false })
    if (!own) break
    if (own.isSymbolicLink() && owner.uid !== 0) return owner
    if (own.uid !== 0) owner = own
    if (!own.isSymbolicLink()) continue
    if (own.uid !== 0) return own
    const target = statSync(path, { throwIfNoEntry: false })
    if (target && target.uid !== 0) owner = target
  }
  return owner
}

function upwards(path: string): string[] {
  return path === dirname(path) ? [path] : [path, ...upwards(dirname(path))]
}

let actsForOwners = true

/** For a process that does many things at a time, such as a relay: it has one set of rights, and keeps it. */
export function keepRights(): void {
  actsForOwners = false
}

/**
 * Does something in a directory with the rights of its owner, if this process is root. The rights are those of the whole
 * process until `work` has ended, so nothing else may go on meanwhile; `work` can call this for another directory.
 */
export async function asOwnerOf<T>(directory: string, work: () => Promise<T>): Promise<T> {
  if (!actsForOwners || process.getuid?.() !== 0) return await work()
  const before: Owner = { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 }
  process.seteuid?.(0)
  const owner = ownerOf(directory)
  if (owner.uid === before.uid) {
    process.seteuid?.(before.uid)
    return await work()
  }
  const groups = process.getgroups?.() ?? []
  takeGroups(owner)
  process.setegid?.(owner.gid)
  process.seteuid?.(owner.uid)
  try {
    return await work()
  } finally {
    process.seteuid?.(0)
    process.setgroups?.(groups)
    process.setegid?.(before.gid)
    process.seteuid?.(before.uid)
  }
}

/** Makes this process one of the user, for good. */
export function become(owner: Owner): void {
  takeGroups(owner)
  process.setgid?.(owner.gid)
  process.setuid?.(owner.uid)
}

/** All groups of the user; its own alone where the user has no entry, as in a container. */
function takeGroups({ uid, gid }: Owner): void {
  try {
    process.initgroups?.(uid, gid)
  } catch {
    process.setgroups?.([gid])
  }
}
