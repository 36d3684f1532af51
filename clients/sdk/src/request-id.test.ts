import { expect, it, vi } from 'vitest'
import { newRequestId } from './sign-request.ts'

it('makes request ids that are UUIDs of version 7: ordered by time, and never twice', () => {
  const ids: string[] = []
  vi.useFakeTimers()
  for (const at of ['2026-11-21T00:00:00.000Z', '2026-11-21T00:00:00.001Z', '2039-01-01T00:00:00.000Z']) {
    vi.setSystemTime(new Date(at))
    ids.push(newRequestId(), newRequestId())
    // RFC 9562 section 5.7: 48 bits of Unix time in milliseconds, big-endian.
    expect(Number.parseInt(ids.at(-1)?.slice(0, 12) ?? '', 16)).toBe(new Date(at).getTime())
  }
  vi.useRealTimers()
  for (const id of ids) expect(id).toMatch(/^[0-9a-f]{12}7[0-9a-f]{3}[89ab][0-9a-f]{15}$/)
  expect(new Set(ids).size).toBe(ids.length)
  const times = ids.map((id) => id.slice(0, 12))
  expect(times.toSorted()).toEqual(times)
})
