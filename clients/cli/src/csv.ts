/** RFC 4180: CRLF after each record, quotes where a field needs them. */
export function encodeCsv(rows: readonly (readonly string[])[]): string {
  return rows.map((row) => `${row.map(encodeField).join(',')}\r\n`).join('')
}

/** The signs, also in their full width, that make a spreadsheet run a cell, after whatever it passes over in front. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are among what is passed over
const formula = /^[\s\u0000-\u001f]*[=+\-@\uff1d\uff0b\uff0d\uff20]|^[\t\r\n\u0000]/u
/** Quotes around anything else: a reader that takes semicolons or tabs for separators must not find new cells in it. */
const plain = /^[\w.:/#-]*$/

/**
 * A spreadsheet runs a field that begins like a formula. Agents and recipients choose some of these texts, so such a
 * field gets an apostrophe in front of it, which spreadsheets take for "this is text".
 */
function encodeField(value: string): string {
  const safe = formula.test(value) ? `'${value}` : value
  return plain.test(safe) ? safe : `"${safe.replaceAll('"', '""')}"`
}
