import { engineError } from './catalogue.ts'

/** Opaque to callers: where the next page starts, and of which list it is. */
export function encodeCursor(list: string, seq: number): string {
  return Buffer.from(`${list}:${seq}`).toString('base64url')
}

/** @throws {CountersignError} ENGINE_CURSOR_INVALID */
export function parseCursor(list: string, cursor: string): number {
  const match = /^([a-z]+):([1-9][0-9]{0,15})$/.exec(Buffer.from(cursor, 'base64url').toString('latin1'))
  const seq = Number(match?.[2])
  if (match?.[1] !== list || encodeCursor(list, seq) !== cursor) {
    throw engineError('ENGINE_CURSOR_INVALID', 'The cursor is not one that this list gave.')
  }
  return seq
}

const pageItemsMax = 100
const pageItemsDefault = 50

export interface PageQuery {
  readonly cursor?: string
  readonly limit?: string
}

export function pageOf(list: string, query: PageQuery): { readonly before?: number; readonly limit: number } {
  const limit = Math.min(query.limit === undefined ? pageItemsDefault : Number(query.limit), pageItemsMax)
  return query.cursor === undefined ? { limit } : { limit, before: parseCursor(list, query.cursor) }
}

export function pageAnswer<Row extends { readonly seq: number }>(
  list: string,
  page: { readonly rows: readonly Row[]; readonly limit: number },
  toItem: (row: Row) => unknown,
): string {
  const last = page.rows.at(-1)
  const nextCursor = last === undefined || page.rows.length < page.limit ? null : encodeCursor(list, last.seq)
  return JSON.stringify({ items: page.rows.map(toItem), nextCursor })
}
