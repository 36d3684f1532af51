/** The body of an answer, at most so many bytes of it: whoever answers may be somebody else.
 * @returns undefined where it is longer. */
export async function boundedBody(response: Response, bytesMax: number): Promise<Buffer | undefined> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length
    // Leaving the loop ends the transfer.
    if (bytes > bytesMax) return undefined
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}
