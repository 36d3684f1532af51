/** Control and format characters, and line separators: what could move the cursor, or turn or hide what stands beside. */
const moving = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu

/**
 * A line for a terminal. What others have chosen (a name, a reason) must not rewrite the screen: whoever reads it decides
 * by it. Line feeds and tabs stay, for what has several lines; a text of others goes through `quoteText` first. */
export function plainLine(text: string): string {
  return text.replaceAll(moving, (found) =>
    found === '\n' || found === '\t' ? found : `\\u{${(found.codePointAt(0) ?? 0).toString(16)}}`,
  )
}
