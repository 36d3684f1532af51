import { decodeBase64, isCountersignError, parseJson } from '@countersign/bytes'
import { encodeTilePath, type Tile, wireError } from '@countersign/wire'
import { engineError } from '../catalogue.ts'
import type { SignerAnswer, SignerClient } from '../signer-client.ts'

/** Hash tiles are 8 KiB at most. */
const tilesKeptMax = 1_024
/** What strangers ask for must leave the signer its time to sign. */
const askedAtOnceMax = 4
const waitingMax = 256
const tileAnswerCharsMax = 16_000_000

/**
 * Hash tiles as anybody may have them. They never change, so each is asked of the signer once while it is remembered.
 * Nothing is decided here: whatever this process alters does not hash to the signed checkpoint.
 */
export class PublicTiles {
  readonly #signer: Pick<SignerClient, 'get'>
  /** Oldest use first. */
  readonly #kept = new Map<string, Buffer>()
  readonly #asked = new Map<string, Promise<Buffer>>()
  readonly #waiting: (() => void)[] = []
  #running = 0

  constructor(signer: Pick<SignerClient, 'get'>) {
    this.#signer = signer
  }

  /** @throws {CountersignError} as the signer answers; ENGINE_BUSY */
  async get(tile: Tile): Promise<Buffer> {
    const path = encodeTilePath(tile)
    const kept = this.#kept.get(path)
    if (kept !== undefined) {
      this.#keep(path, kept)
      return kept
    }
    const asked = this.#asked.get(path) ?? this.#ask(path as `/tile/${string}`)
    this.#asked.set(path, asked)
    return asked
  }

  #keep(path: string, bytes: Buffer): void {
    this.#kept.delete(path)
    this.#kept.set(path, bytes)
    const [oldest] = this.#kept.keys()
    if (this.#kept.size > tilesKeptMax && oldest !== undefined) this.#kept.delete(oldest)
  }

  async #ask(path: `/tile/${string}`): Promise<Buffer> {
    try {
      await this.#turn()
      try {
        const bytes = decodeTile(await this.#signer.get(path))
        this.#keep(path, bytes)
        return bytes
      } finally {
        const next = this.#waiting.shift()
        if (next === undefined) this.#running--
        else next()
      }
    } finally {
      this.#asked.delete(path)
    }
  }

  async #turn(): Promise<void> {
    if (this.#running < askedAtOnceMax) {
      this.#running++
      return
    }
    if (this.#waiting.length >= waitingMax)
      throw engineError('ENGINE_BUSY', `${waitingMax} questions for tiles wait already.`)
    // Whoever ends hands its place over.
    await new Promise<void>((go) => this.#waiting.push(go))
  }
}

/** @throws {CountersignError} the signer's own refusal; WIRE_SIGNER_UNAVAILABLE */
export function decodeTile({ status, text }: SignerAnswer): Buffer {
  const body = parseJson(text, { textCharsMax: tileAnswerCharsMax, depthMax: 8 }) as { tile?: unknown }
  if (status === 200 && typeof body.tile === 'string') return Buffer.from(decodeBase64(body.tile, 'tile'))
  if (status === 404) throw wireError('WIRE_NOT_FOUND', 'The journal has no such tile.')
  throw wireError('WIRE_SIGNER_UNAVAILABLE', `The signer does not show its journal: status ${status}.`)
}

/** What a tile route says of an error, in this API's form. */
export function tileError(error: unknown) {
  if (isCountersignError(error)) return error
  const { statusCode } = error as { statusCode?: unknown }
  const isCallers = typeof statusCode === 'number' && statusCode >= 400 && statusCode < 500
  return isCallers
    ? wireError('WIRE_INVALID_BODY', 'Tiles are read with GET, without a body.')
    : engineError('ENGINE_INTERNAL', 'The engine met a bug.')
}
