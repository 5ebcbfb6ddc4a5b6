import { describe, expect, it } from 'vitest'
import {
  showBlocking,
  showDay,
  showQueueMode,
  showStatus,
  showTime,
  showTuple,
} from '../../../../src/server/control-port/show.ts'

describe('what scripts read', () => {
  it('the status of a queue', () => {
    expect(showStatus({ type: 'active' })).toBe('EntityActive')
    expect(showStatus({ type: 'off' })).toBe('EntityOff')
    expect(showStatus({ type: 'blocked', reason: 'spam' })).toBe(
      'EntityBlocked (BlockingInfo {reason = BRSpam, notice = Nothing})',
    )
  })

  it('why a queue is blocked', () => {
    const notice = (ttl?: number): string =>
      showBlocking({ type: 'blocked', reason: 'content', notice: ttl === undefined ? {} : { ttl } })
    expect(notice()).toBe('BlockingInfo {reason = BRContent, notice = Just (ClientNotice {ttl = Nothing})}')
    expect(notice(60)).toBe('BlockingInfo {reason = BRContent, notice = Just (ClientNotice {ttl = Just 60})}')
    expect(notice(-1)).toContain('ttl = Just (-1)')
  })

  it('the day of last use, and the kind of queue', () => {
    expect(showDay(undefined)).toBe('Nothing')
    expect(showDay(1_795_305_600)).toBe('Just (RoundedSystemTime {roundedSeconds = 1795305600})')
    expect([showQueueMode('M'), showQueueMode('C'), showQueueMode(undefined)]).toEqual([
      'Just QMMessaging',
      'Just QMContact',
      'Nothing',
    ])
  })

  it('times, with as many digits of a second as they have', () => {
    expect(showTime(Date.UTC(2024, 4, 1, 12, 0, 0, 123))).toBe('2024-05-01 12:00:00.123 UTC')
    expect(showTime(Date.UTC(2024, 4, 1, 12, 0, 0, 120))).toBe('2024-05-01 12:00:00.12 UTC')
    expect(showTime(Date.UTC(2024, 4, 1, 12, 0, 10, 0))).toBe('2024-05-01 12:00:10 UTC')
  })

  it('tuples are shown in parentheses, without blanks', () => {
    expect(showTuple(1, 0, 20)).toBe('(1,0,20)')
  })
})
