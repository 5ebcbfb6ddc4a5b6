import { describe, expect, it } from 'vitest'
import { acceptsGzip } from '../../../src/web/accepts-gzip.ts'
import { sitePath } from '../../../src/web/site-path.ts'

describe('site-path', () => {
  it.each([
    ['/', []],
    ['/?a=/../b', []],
    ['//contact//', ['contact']],
    ['/media/site.css?v=1', ['media', 'site.css']],
    ['/a%20b/%C3%A4', ['a b', 'ä']],
    ['/.well-known/assetlinks.json', ['well-known', 'assetlinks.json']],
    ['/%2ewell-known/x', ['well-known', 'x']],
    ['/a..b/c.', ['a..b', 'c.']],
  ])('a path %s leads to %j', (url, names) => {
    expect(sitePath(url)).toEqual({ type: 'path', names })
  })

  it.each(['/..', '/../etc/passwd', '/media/%2e%2e/x', '/.git', '/a/.well-known/x', '/.well-known/.x', '/./a'])(
    'a path %s is refused',
    (url) => {
      expect(sitePath(url)).toEqual({ type: 'forbidden' })
    },
  )

  it.each(['', '*', 'http://a.example/', '/%', '/%ff', '/a%2f..%2fb', '/a%5c..', '/a%00b'])(
    'a path %s is malformed',
    (url) => {
      expect(sitePath(url)).toEqual({ type: 'malformed' })
    },
  )
})

it.each<[string | undefined, boolean]>([
  [undefined, false],
  ['', false],
  ['gzip', true],
  ['br, GZIP;q=0.5', true],
  ['deflate, br', false],
  ['gzip;q=0', false],
  ['gzip; q=0.0, *', false],
  ['*', true],
  ['*;q=0', false],
  ['identity', false],
])('Accept-Encoding: %s takes gzip: %s', (header, accepted) => {
  expect(acceptsGzip(header)).toBe(accepted)
})
