import type { JsonObject } from '@countersign/bytes'

/** One request to a public route, before it is signed. `Answer` is only for the types. */
export interface Call<Answer> {
  readonly method: 'GET' | 'POST' | 'PUT'
  /** With the query. */
  readonly path: string
  /** `undefined`: no body at all. */
  readonly body: JsonObject | undefined
  /** Policies, credentials and the organisation: needs the admin quorum and may live for a day. */
  readonly admin: boolean
  readonly answer?: Answer
}

export function get<Answer>(path: string, query: object = {}): Call<Answer> {
  const parameters = new URLSearchParams()
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined) parameters.set(name, String(value))
  }
  const text = parameters.toString()
  return { method: 'GET', path: text === '' ? path : `${path}?${text}`, body: undefined, admin: false }
}

export function post<Answer>(path: string, body: object): Call<Answer> {
  return { method: 'POST', path, body: jsonBody(body), admin: false }
}

export function admin<Answer>(method: 'POST' | 'PUT', path: string, body: object): Call<Answer> {
  return { method, path, body: jsonBody(body), admin: true }
}

export function segment(id: string): string {
  return encodeURIComponent(id)
}

/** Bigints become decimal strings and undefined fields vanish: the body's text is exactly what is signed. */
function jsonBody(value: object): JsonObject {
  return JSON.parse(
    JSON.stringify(value, (_key, field: unknown) => (typeof field === 'bigint' ? field.toString() : field)),
  ) as JsonObject
}
