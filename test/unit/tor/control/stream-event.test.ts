import { expect, it } from 'vitest'
import { parseEvent } from '../../../../src/tor/control/events.ts'

it.each([
  [
    'STREAM 35 FAILED 3 abc.onion:5223 REASON=END REMOTE_REASON=MISC CLIENT_PROTOCOL=SOCKS5 NYM_EPOCH=0',
    { type: 'stream', status: 'FAILED', target: 'abc.onion:5223', reason: 'END', remoteReason: 'MISC' },
  ],
  [
    'STREAM 36 NEW 0 relay.example:443 SOURCE_ADDR=(Tor_internal):0 PURPOSE=USER',
    { type: 'stream', status: 'NEW', target: 'relay.example:443' },
  ],
  ['STREAM 36 NEW', { type: 'other', name: 'STREAM', text: '36 NEW' }],
])('a stream event is read from %s', (text, event) => {
  expect(parseEvent({ status: 650, lines: [{ text }] })).toEqual(event)
})
