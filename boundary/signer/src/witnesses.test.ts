import { generateKeyPairSync, sign } from 'node:crypto'
import { join } from 'node:path'
import { decodeBase64, decodeBase64Url } from '@countersign/bytes'
import {
  addSignatureLines,
  decodeCheckpoint,
  decodeEntryBundle,
  encodeCosignature,
  encodeWitnessKey,
  leafHash,
  parseNote,
  verifyCosignatures,
} from '@countersign/wire'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { errorCode, openTestSigner, type TestSigner } from '../../../test/signer/test-signer.ts'
import { parseSignerConfig } from './config.ts'

function witnessOf(name: string) {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  const key = { name, publicKey: decodeBase64Url(publicKey.export({ format: 'jwk' }).x ?? '') }
  const signBytes = (bytes: Uint8Array) => new Uint8Array(sign(null, bytes, privateKey))
  return {
    key,
    text: encodeWitnessKey(key),
    line: (note: string, timestampS = 1_700_000_000) =>
      encodeCosignature(parseNote(note).text, { witness: key, timestampS, sign: signBytes }),
  }
}
const [one, two, stranger] = [witnessOf('w/one'), witnessOf('w/two'), witnessOf('w/three')]

let test: TestSigner
const openWith = async (witnesses: readonly string[], witnessQuorum: number) => {
  const { admins, directory } = test
  const config = parseSignerConfig(
    {
      dataDir: join(directory, 'signer'),
      backend: 'file',
      admins: admins.map(({ publicKey, name }) => ({ algorithm: 'p256', publicKey, name })),
      quorum: 1,
      witnesses,
      witnessQuorum,
    },
    {},
    directory,
  )
  test = await test.reopen({ config })
}

beforeAll(async () => {
  test = await openTestSigner({ backend: 'file' })
  await openWith([one.text, two.text], 2)
})
afterAll(() => test.close())
// A checkpoint of its own for each test: no cosignature stands under it yet.
beforeEach(() => grow())

const shown = () => test.signer.witnesses.checkpoint()
const sizeOf = (note: string) => decodeCheckpoint(parseNote(note).text).size
const namesOf = (note: string) =>
  verifyCosignatures(note, [one.key, two.key]).map(({ witness }) => witness.name)
const newest = () => test.signer.journal.checkpoint()
const handIn = async (note: string, ...lines: string[]) => {
  const answer = await test.ask(
    'POST',
    '/v1/journal/cosignatures',
    { checkpoint: addSignatureLines(note, lines) },
    { by: test.agent },
  )
  return { ...answer, code: errorCode(answer) }
}
const grow = async () => {
  const policy = { version: 1, id: `p${test.signer.journal.size()}`, rules: [] }
  const { status } = await test.ask(
    'PUT',
    `/v1/policies/${policy.id}`,
    { policy, expected: null },
    { by: test.admins },
  )
  expect(status).toBe(200)
}

describe('entries as tiles', () => {
  const get = (path: string, more: object = {}) =>
    test.ask('GET', path, undefined, { by: test.admins[0] as never, ...more })

  it('are what the tree is made of, up to its end', async () => {
    const size = test.signer.journal.size()
    const answer = await get(`/tile/entries/000.p/${size}`)
    expect(answer.status).toBe(200)
    const entries = decodeEntryBundle(decodeBase64((answer.body as { tile: string }).tile), size)
    const hashes = await test.signer.journal.tile(0, 0, size)
    expect(Buffer.concat(entries.map(leafHash))).toEqual(Buffer.from(hashes ?? []))
    for (const beyond of [`000.p/${size + 1}`, '000', '001', 'x001/000'])
      expect((await get(`/tile/entries/${beyond}`)).status).toBe(404)
  })

  it('are for those who may read', async () => {
    expect((await test.ask('GET', '/tile/entries/000.p/1', undefined, { by: test.agent })).status).toBe(403)
    const posted = await test.ask('POST', '/tile/entries/000.p/1', {}, { by: test.admins })
    expect(errorCode(posted)).toBe('WIRE_METHOD_NOT_ALLOWED')
    expect(errorCode(await get('/tile/entries/0'))).toBe('WIRE_NOT_FOUND')
  })
})

describe('a cosignature', () => {
  it('is kept once for each witness, its newest', async () => {
    const note = newest()
    await handIn(note, one.line(note, 10))
    await handIn(note, one.line(note, 30))
    await handIn(note, one.line(note, 20))
    expect(verifyCosignatures(shown(), [one.key]).map(({ timestampS }) => timestampS)).toEqual([30])
  })

  it.each([
    ['of a stranger', (note: string) => [stranger.line(note)], 'SIGNER_COSIGNATURE_REFUSED'],
    ['of nobody', () => [], 'SIGNER_COSIGNATURE_REFUSED'],
    [
      'that is forged',
      (note: string) => [one.line(note).replace(/.{8}\n$/, 'AAAAAAA=\n')],
      'WIRE_CHECKPOINT_INVALID',
    ],
  ] as const)('%s is not', async (_name, lines, code) => {
    const note = newest()
    expect((await handIn(note, ...lines(note))).code).toBe(code)
    expect(namesOf(shown())).toEqual([])
  })

  it('over what this signer has not signed is not: another origin, another root, a size to come', async () => {
    const { text } = parseNote(newest())
    const [origin, size, root] = text.split('\n')
    const own = newest().slice(text.length + 1)
    for (const changed of [
      `countersign/sgn_${'0'.repeat(32)}\n${size}\n${root}\n`,
      `${origin}\n${size}\n${'A'.repeat(43)}=\n`,
      `${origin}\n${Number(size) + 1}\n${root}\n`,
    ]) {
      const note = `${changed}\n${own}`
      expect((await handIn(note, one.line(note))).code).toBe('SIGNER_COSIGNATURE_REFUSED')
    }
    expect(namesOf(shown())).toEqual([])
  })

  it('brings nothing else with it', async () => {
    const note = newest()
    await handIn(note, stranger.line(note), one.line(note))
    expect(shown()).toBe(addSignatureLines(note, [one.line(note)]))
  })
})

describe('the checkpoint that is shown', () => {
  it('is the newest with a quorum, whatever comes after it', async () => {
    const first = newest()
    expect(shown()).toBe(first)
    expect((await handIn(first, one.line(first))).body).toMatchObject({ quorum: false, witnesses: ['w/one'] })
    // Without a quorum so far: the newest, with what it has.
    expect(namesOf(shown())).toEqual(['w/one'])
    expect((await handIn(first, two.line(first))).body).toMatchObject({ quorum: true, size: sizeOf(first) })
    await grow()
    const second = newest()
    expect(sizeOf(shown())).toBe(sizeOf(first))
    await handIn(second, one.line(second))
    expect(sizeOf(shown())).toBe(sizeOf(first))
    await handIn(second, two.line(second))
    expect(sizeOf(shown())).toBe(sizeOf(second))
    expect(namesOf(shown())).toEqual(['w/one', 'w/two'])
  })

  it('outlives a restart; a witness that is no longer configured does not', async () => {
    const note = newest()
    await handIn(note, one.line(note), two.line(note))
    await grow()
    await openWith([one.text, two.text], 2)
    expect([sizeOf(shown()), ...namesOf(shown())]).toEqual([sizeOf(note), 'w/one', 'w/two'])
    await openWith([one.text], 1)
    expect(namesOf(shown())).toEqual(['w/one'])
    await openWith([one.text, stranger.text], 2)
    expect(sizeOf(shown())).toBe(test.signer.journal.size())
  })

  it('stays while many without a quorum come after it', async () => {
    await openWith([one.text, two.text], 2)
    const note = newest()
    await handIn(note, one.line(note), two.line(note))
    for (let i = 0; i < 36; i++) {
      await grow()
      expect((await handIn(newest(), one.line(newest()))).status).toBe(200)
    }
    expect(sizeOf(shown())).toBe(sizeOf(note))
    expect(await test.signer.ledger.range('cosigned', '', '\uffff', 100)).toHaveLength(32)
  })
})

describe('a configuration', () => {
  it.each([
    ['the same witness twice', [one.text, one.text], 1],
    ['more asked for than there are', [one.text], 2],
    ['a key of a log', [one.text.replace('+B', '+A')], 1],
  ])('with %s is refused', async (_name, witnesses, quorum) => {
    await expect(openWith(witnesses, quorum)).rejects.toThrow()
  })
})

describe('a signer', () => {
  it('takes cosignatures at a limited rate', async () => {
    const add = () => test.signer.witnesses.add('nothing').catch((error: { code: string }) => error.code)
    const codes = await Promise.all(Array.from({ length: 900 }, add))
    expect(codes.slice(0, 500)).not.toContain('WIRE_RATE_LIMITED')
    expect(codes.at(-1)).toBe('WIRE_RATE_LIMITED')
  })

  it('takes none where it has no witnesses', async () => {
    await openWith([], 0)
    const note = newest()
    expect((await handIn(note, one.line(note))).code).toBe('SIGNER_COSIGNATURE_REFUSED')
    expect(shown()).toBe(note)
  })
})
