import { isCountersignError } from '@countersign/bytes'
import type { Tile } from '@countersign/wire'
import { describe, expect, it } from 'vitest'
import { PublicTiles } from './public-tiles.ts'

const tile = (index: number, width = 256): Tile => ({ level: 0, index, width })

function signerOf(answer: (path: string) => { status: number; text: string } = () => ok) {
  const asked: string[] = []
  const open: (() => void)[] = []
  let isHeld = false
  const get = async (path: string) => {
    asked.push(path)
    if (isHeld) await new Promise<void>((go) => open.push(go))
    return answer(path)
  }
  const hold = () => {
    isHeld = true
  }
  const release = () => {
    isHeld = false
    for (const go of open.splice(0)) go()
  }
  return { get, asked, hold, release }
}
const ok = { status: 200, text: JSON.stringify({ tile: Buffer.from('hashes').toString('base64') }) }
const codeOf = (work: Promise<unknown>) =>
  work.then(
    () => 'none',
    (error: unknown) => (isCountersignError(error) ? error.code : String(error)),
  )

describe('hash tiles for anybody', () => {
  it('are asked of the signer once, each by its path and width', async () => {
    const signer = signerOf()
    const tiles = new PublicTiles(signer as never)
    const all = await Promise.all([tile(0), tile(0), tile(1), tile(0, 7)].map((one) => tiles.get(one)))
    expect(all.map(String)).toEqual(['hashes', 'hashes', 'hashes', 'hashes'])
    await tiles.get(tile(0))
    expect(signer.asked).toEqual(['/tile/0/000', '/tile/0/001', '/tile/0/000.p/7'])
  })

  it('are remembered only where there are some: what is not yet there comes later', async () => {
    let isThere = false
    const signer = signerOf(() => (isThere ? ok : { status: 404, text: '{"error":{"code":"X"}}' }))
    const tiles = new PublicTiles(signer as never)
    expect(await codeOf(tiles.get(tile(5)))).toBe('WIRE_NOT_FOUND')
    isThere = true
    expect(String(await tiles.get(tile(5)))).toBe('hashes')
  })

  it.each([
    [{ status: 503, text: '{"error":{}}' }],
    [{ status: 200, text: '{}' }],
    [{ status: 200, text: '{"tile":5}' }],
  ])('are none where the signer answers %j', async (answer) => {
    const tiles = new PublicTiles(signerOf(() => answer) as never)
    expect(await codeOf(tiles.get(tile(0)))).toBe('WIRE_SIGNER_UNAVAILABLE')
  })

  it('never keep the signer from its work: few at a time, a bounded queue, bounded memory', async () => {
    const signer = signerOf()
    const tiles = new PublicTiles(signer as never)
    signer.hold()
    const many = Array.from({ length: 300 }, (_, i) => codeOf(tiles.get(tile(i))))
    await new Promise((next) => setTimeout(next, 10))
    expect(signer.asked).toHaveLength(4)
    signer.release()
    const codes = await Promise.all(many)
    expect(codes.filter((code) => code === 'ENGINE_BUSY')).toHaveLength(300 - 260)
    expect(codes.filter((code) => code === 'none')).toHaveLength(260)
    for (let i = 0; i < 1_100; i++) await tiles.get(tile(i))
    const before = signer.asked.length
    await tiles.get(tile(1_099))
    expect(signer.asked).toHaveLength(before)
    await tiles.get(tile(0))
    expect(signer.asked).toHaveLength(before + 1)
  })
})
