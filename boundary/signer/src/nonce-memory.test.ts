import { clockSkewS } from '@countersign/wire'
import { expect, it } from 'vitest'
import { NonceMemory } from './nonce-memory.ts'

const codeOf = (take: () => void) => {
  try {
    take()
  } catch (error) {
    return (error as { code: string }).code
  }
  return undefined
}

it('remembers a nonce for as long as its signature lives, by credential', () => {
  const memory = new NonceMemory()
  memory.take('a', 'n', 100, 10)
  memory.take('b', 'n', 100, 10)
  for (const nowS of [10, 50, 100])
    expect(codeOf(() => memory.take('a', 'n', 100, nowS))).toBe('WIRE_NONCE_REPLAYED')
  memory.take('a', 'n', 200, 106)
  // One that lives long is remembered as well.
  memory.take('a', 'long', 86_400 + clockSkewS, 106)
  expect(codeOf(() => memory.take('a', 'long', 86_400 + clockSkewS, 5_000))).toBe('WIRE_NONCE_REPLAYED')
})

it('is full at a million, and has room again when they have expired', () => {
  const memory = new NonceMemory()
  for (let i = 0; i < 1_000_000; i++) memory.take(`c${i % 7}`, String(i), 100, 10)
  expect(codeOf(() => memory.take('c', 'more', 100, 10))).toBe('SIGNER_BUSY')
  for (let i = 0; i < 1_000; i++) memory.take('c', String(i), 300, 106)
  expect(codeOf(() => memory.take('c', '5', 300, 106))).toBe('WIRE_NONCE_REPLAYED')
})
