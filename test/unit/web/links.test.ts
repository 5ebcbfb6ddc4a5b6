import { describe, expect, it } from 'vitest'
import { linksAt } from '../../../src/web/media/links.js'

const at = (url: string): ReturnType<typeof linksAt> => linksAt(new URL(url))

describe('links', () => {
  const fragment = '/?v=2-7&smp=smp%3A%2F%2FZKe4uxF4Z_aL%3D%40a.example%2FuE3h%23%2F%3Fv%3D1-2%26dh%3DMCow&e2e=v%3D2'

  it.each(['contact', 'invitation'])('a full link at /%s keeps everything after the # sign', (type) => {
    const links = {
      type,
      web: `https://relay.test/${type}#${fragment}`,
      app: `simplex:/${type}#${fragment}`,
    }
    expect(at(`https://relay.test/${type}#${fragment}`)).toEqual(links)
    expect(at(`https://relay.test/${type}/#${fragment}`)).toEqual(links)
    expect(at(`http://relay.test/${type}/index.html?x=1#${fragment}`)).toEqual(links)
  })

  it('a full link has the port only in its web form', () => {
    const links = at(`https://relay.test:8443/contact#${fragment}`)
    expect(links?.web).toBe(`https://relay.test:8443/contact#${fragment}`)
    expect(links?.app).toBe(`simplex:/contact#${fragment}`)
  })
})

describe('links', () => {
  it.each([
    ['key', 'key?h=relay.test'],
    ['id/key', 'id/key?h=relay.test'],
    ['key?p=5223', 'key?p=5223&h=relay.test'],
    ['key?p=5223&c=abc', 'key?p=5223&c=abc&h=relay.test'],
    ['key?', 'key?h=relay.test'],
    ['key?h=abc.onion', 'key?h=relay.test,abc.onion'],
    ['key?h=abc.onion&p=5223', 'key?h=relay.test,abc.onion&p=5223'],
    ['key?c=x&h=a,b', 'key?c=x&h=relay.test,a,b'],
    ['key?h=relay.test', 'key?h=relay.test'],
    ['key?h=abc.onion,relay.test', 'key?h=relay.test,abc.onion'],
    ['key?h=', 'key?h=relay.test'],
  ])('a short link names its server in its app form: #%s becomes #%s', (fragment, expected) => {
    for (const type of ['a', 'c', 'g', 'r', 'i']) {
      expect(at(`https://relay.test:8443/${type}#${fragment}`)).toEqual({
        type,
        web: `https://relay.test:8443/${type}#${fragment}`,
        app: `simplex:/${type}#${expected}`,
      })
    }
  })
})

it.each(['https://relay.test/a', 'https://relay.test/contact#', 'https://relay.test/#x'])(
  '%s is not taken for a link',
  (url) => {
    expect(at(url)).toBeUndefined()
  },
)
