import { entriesQuery, parseQuery, type SignedRequest, searchFields, wireError } from '@countersign/wire'
import { authenticate, checkMayRead } from '../authenticate.ts'
import { engineError } from '../catalogue.ts'
import type { Engine, EngineAnswer } from '../request.ts'

const pageItemsDefault = 100

/** Entries by index are the signer's to give; by what they say, the engine's, out of its copy. */
export function isSearch(query: Readonly<Record<string, string>>): boolean {
  return searchFields.some((field) => Object.hasOwn(query, field))
}

/** @throws {CountersignError} ENGINE_JOURNAL_*, WIRE_* */
export async function searchJournal(
  engine: Engine,
  request: SignedRequest,
  rawQuery: Readonly<Record<string, string>>,
): Promise<EngineAnswer> {
  const { start = '0', limit, ...filter } = parseQuery(entriesQuery, rawQuery)
  const { credential, nonces } = await authenticate(request, engine.signer)
  checkMayRead(credential)
  engine.nonces.take(nonces)
  for (const time of [filter.from, filter.to]) {
    if (time !== undefined && Number.isNaN(Date.parse(time)))
      throw wireError('WIRE_INVALID_REQUEST', `There is no time ${time}.`)
  }
  if (engine.journal === undefined)
    throw engineError('ENGINE_JOURNAL_UNREAD', 'This engine has no credential to read the journal with.')
  const items = Number(limit ?? pageItemsDefault)
  const { entries, size } = await engine.journal.search(filter, { start: Number(start), limit: items })
  const last = entries.at(-1)
  const nextStart = last === undefined || entries.length < items ? null : last.index + 1
  // The very text that the journal has, so that its hash can be computed from what is answered.
  const list = entries.map(({ index, text }) => `{"index":${index},"entry":${text}}`)
  return { status: 200, text: `{"entries":[${list.join(',')}],"size":${size},"nextStart":${nextStart}}` }
}
