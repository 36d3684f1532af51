/** One byte string after the other. */
export function concatBytes(...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0
  for (const part of parts) length += part.length
  const out = new Uint8Array(length)
  let at = 0
  for (const part of parts) {
    out.set(part, at)
    at += part.length
  }
  return out
}

/**
 * A copy in memory of its own. Not `slice`: that of Node's Buffer, which sockets, files and `randomBytes` give, is a view
 * of memory that others reuse. */
export function copyBytes(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const copy = new Uint8Array(bytes.length)
  copy.set(bytes)
  return copy
}

export function encodeU8(value: number): Uint8Array {
  return encodeUint(value, 1)
}

export function encodeU16(value: number): Uint8Array {
  return encodeUint(value, 2)
}

export function encodeU32(value: number): Uint8Array {
  return encodeUint(value, 4)
}

/** Big endian. A number that does not fit is a bug: a truncated index would name another party (TSSHOCK). */
function encodeUint(value: number, bytes: 1 | 2 | 4): Uint8Array {
  if (!Number.isInteger(value) || value < 0 || value >= 2 ** (8 * bytes)) {
    throw new Error(`bug: ${value} does not fit into ${bytes} bytes`)
  }
  const out = new Uint8Array(bytes)
  for (let i = bytes - 1, rest = value; i >= 0; i--, rest = Math.floor(rest / 256)) out[i] = rest % 256
  return out
}

/** Equal content, looking at every byte whatever they are. The lengths are public. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  let difference = 0
  for (let i = 0; i < a.length; i++) difference |= (a[i] as number) ^ (b[i] as number)
  return difference === 0
}
