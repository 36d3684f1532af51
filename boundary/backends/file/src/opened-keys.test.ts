import { type KeyUri, LocalKey } from '@countersign/keys'
import { describe, expect, it } from 'vitest'
import { OpenedKeys } from './opened-keys.ts'

const key = () => new LocalKey({ algorithm: 'secp256k1', secretKey: new Uint8Array(32).fill(1) })
const uri = (name: string) => `file:secp256k1:${name}` as KeyUri

describe('opened keys', () => {
  it('closes the one unused for longest, and only that', () => {
    const opened = new OpenedKeys(2)
    const [a, b, c] = [key(), key(), key()]
    opened.put(uri('a'), a)
    opened.put(uri('b'), b)
    expect(opened.get(uri('a'))).toBe(a)
    opened.put(uri('c'), c)
    expect([a.isClosed, b.isClosed, c.isClosed]).toEqual([false, true, false])
    expect(opened.get(uri('b'))).toBeUndefined()
    expect(opened.size).toBe(2)
  })

  it('closes what it replaces, and everything at the end', () => {
    const opened = new OpenedKeys(2)
    const [a, b] = [key(), key()]
    opened.put(uri('a'), a)
    opened.put(uri('a'), b)
    expect([a.isClosed, b.isClosed]).toEqual([true, false])
    opened.close()
    expect([b.isClosed, opened.size]).toEqual([true, 0])
  })
})
