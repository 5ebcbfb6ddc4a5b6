import { describe, expect, test } from 'vitest'
import { linked, markup } from '../../../src/web/markup.ts'

const nasty = `<script>alert("1")</script> & 'x'`
const harmless = '&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt; &amp; &#39;x&#39;'

describe('a piece of HTML', () => {
  test('escapes what is put into it, in text and in attributes', () => {
    expect(markup`<p title="${nasty}">${nasty}</p>`.text).toBe(`<p title="${harmless}">${harmless}</p>`)
  })

  test('takes other pieces as they are, and lists and nothing', () => {
    expect(markup`<p>${markup`<b>${'&'}</b>`}${['<', markup`<i>`]}${undefined}</p>`.text).toBe(
      '<p><b>&amp;</b>&lt;<i></p>',
    )
  })
})

describe('an address', () => {
  test('becomes a link', () => {
    expect(markup`${linked('https://a.example/?b="c"&d')}`.text).toBe(
      '<a href="https://a.example/?b=&quot;c&quot;&amp;d" rel="noreferrer">https://a.example/?b=&quot;c&quot;&amp;d</a>',
    )
  })

  test.each(['javascript:alert(1)', 'data:text/html,x', 'a.example', '', ' https:', 'simplex:/contact#x'])(
    'stays text when it is %s',
    (text) => {
      expect(linked(text)).toBe(text)
    },
  )
})
