import { describe, expect, it } from 'vitest'
import { linked, markup } from '../../../src/web/markup.ts'

const nasty = `<script>alert("1")</script> & 'x'`
const harmless = '&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt; &amp; &#39;x&#39;'

describe('markup', () => {
  it('markup escapes its values in text and in attributes', () => {
    expect(markup`<p title="${nasty}">${nasty}</p>`.text).toBe(`<p title="${harmless}">${harmless}</p>`)
  })

  it('markup includes other markup unchanged, and accepts lists and undefined', () => {
    expect(markup`<p>${markup`<b>${'&'}</b>`}${['<', markup`<i>`]}${undefined}</p>`.text).toBe(
      '<p><b>&amp;</b>&lt;<i></p>',
    )
  })
})

describe('markup', () => {
  it('linked turns a URL into a link', () => {
    expect(markup`${linked('https://a.example/?b="c"&d')}`.text).toBe(
      '<a href="https://a.example/?b=&quot;c&quot;&amp;d" rel="noreferrer">https://a.example/?b=&quot;c&quot;&amp;d</a>',
    )
  })

  it.each(['javascript:alert(1)', 'data:text/html,x', 'a.example', '', ' https:', 'simplex:/contact#x'])(
    'linked leaves %s as text',
    (text) => {
      expect(linked(text)).toBe(text)
    },
  )
})
