import { describe, expect, it } from 'vitest'
import { mayUse, roleFor, roleLine, roles } from '../../../../src/server/control-port/roles.ts'

describe('a password', () => {
  const passwords = { admin: 'the admin’s', user: 'the user’s' }
  const bytes = (text: string): string => Buffer.from(text).toString('latin1')

  it('gives its role, and any other none', () => {
    expect(roleFor(bytes('the admin’s'), passwords)).toBe('admin')
    expect(roleFor(bytes('the user’s'), passwords)).toBe('user')
    for (const wrong of ['', 'the admin', 'the user’s', 'undefined']) expect(roleFor(wrong, passwords)).toBe('none')
  })

  it('that both have makes an administrator', () => {
    expect(roleFor('same', { admin: 'same', user: 'same' })).toBe('admin')
  })

  it('that is not set, or empty, lets nobody in', () => {
    for (const given of ['', 'x', 'undefined']) {
      expect(roleFor(given, { admin: undefined, user: undefined })).toBe('none')
      expect(roleFor(given, { admin: '', user: '' })).toBe('none')
    }
  })
})

describe('a role', () => {
  it('may do what lesser ones may', () => {
    expect(roles.map((role) => mayUse(role, 'stats'))).toEqual([false, true, true])
    expect(mayUse('user', 'delete')).toBe(false)
    expect(mayUse('none', 'stats-rts')).toBe(true)
  })

  it('is told, and that it stays for the session', () => {
    expect(roleLine('none', 'none')).toBe('Current role is CPRNone')
    expect(roleLine('user', 'user')).toBe('Current role is CPRUser')
    expect(roleLine('admin', 'none')).toBe('Current role is CPRAdmin, start new session to change.')
  })
})
