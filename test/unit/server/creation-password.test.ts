import { describe, expect, it } from 'vitest'
import { CreationPassword } from '../../../src/server/creation-password.ts'

let nowMs = 0
const protectedBy = (password: string | undefined): CreationPassword => new CreationPassword(password, () => nowMs)

describe('the creation password', () => {
  it('is not needed where there is none, and any will do', () => {
    const password = protectedBy(undefined)
    expect([password.allows({}, undefined), password.allows({}, 'any')]).toEqual([true, true])
    expect(password.wrong).toBe(0)
  })

  it('is needed where there is one, as the bytes of its UTF-8', () => {
    const password = protectedBy('Schlüssel')
    expect(password.allows({}, Buffer.from('Schlüssel').toString('latin1'))).toBe(true)
    expect(password.allows({}, 'Schlüssel')).toBe(false)
    expect(password.wrong).toBe(1)
  })

  it('that is not given at all is no guess', () => {
    const [password, connection] = [protectedBy('secret'), {}]
    expect(password.allows(connection, undefined)).toBe(false)
    expect(password.allows(connection, 'secret')).toBe(true)
    expect(password.wrong).toBe(0)
  })

  it('is not looked at for a second after ten wrong ones, and for up to five seconds after further ones', () => {
    const [password, connection] = [protectedBy('secret'), {}]
    for (let mistake = 1; mistake < 10; mistake++) expect(password.allows(connection, 'wrong')).toBe(false)
    for (const delayMs of [1000, 2000, 4000, 5000, 5000]) {
      expect(password.allows(connection, 'wrong')).toBe(false)
      nowMs += delayMs - 1
      expect(password.allows(connection, 'secret')).toBe(false)
      nowMs += 1
    }
    expect(password.allows(connection, 'secret')).toBe(true)
    expect(password.wrong).toBe(9 + 10)
  })

  it('can be tried a hundred times a second by all connections together', () => {
    const password = protectedBy('12345')
    let found = 0
    const tryAll = (): void => {
      for (let guess = 0; guess < 1000; guess++) if (password.allows({}, String(guess))) found++
    }
    tryAll()
    expect(password.allows({}, '12345')).toBe(false)
    nowMs += 10
    expect(password.allows({}, '12345')).toBe(true)
    expect([password.allows({}, '12345'), found]).toEqual([false, 0])
  })

  it('of a connection that has given it is always looked at, whatever others guess', () => {
    const [password, trusted] = [protectedBy('secret'), {}]
    expect(password.allows(trusted, 'secret')).toBe(true)
    for (let guess = 0; guess < 1000; guess++) password.allows({}, String(guess))
    for (let count = 0; count < 1000; count++) expect(password.allows(trusted, 'secret')).toBe(true)
    // Until it gives a wrong one.
    expect(password.allows(trusted, 'wrong')).toBe(false)
    expect(password.allows(trusted, 'secret')).toBe(false)
    nowMs += 1000
    expect(password.allows(trusted, 'secret')).toBe(true)
  })
})
