/** What the engine needs of pino. Lines carry ids, codes and states; never headers, bodies or user identifiers. */
export interface Logger {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

/** An error for the log: what Postgres and viem hang on theirs (keys, URLs) stays out. */
export function errorForLog(error: unknown): object {
  if (!(error instanceof Error)) return { name: 'not an Error' }
  const { code } = error as { code?: unknown }
  return {
    name: error.name,
    code: typeof code === 'string' ? code : undefined,
    message: withoutUrls(error.message),
    stack: withoutUrls(error.stack ?? ''),
  }
}

function withoutUrls(text: string): string {
  return text.replace(/\b[a-z][a-z0-9+]*:\/\/[^\s'"]+/gi, '[url]')
}
