import { wireError } from './catalogue.ts'

const scalarBytes = 32

/**
 * An ECDSA signature as authenticators make it (ASN.1 DER of two integers, RFC 3279 section 2.2.3; WebAuthn section
 * 6.5.5), in its one form: shortest lengths, no padding, nothing after it. High s is taken as it comes:
 * authenticators do not normalise it, and it is the nonce in the signature base that stops replays.
 * @returns r||s, 64 bytes; whether they are below the curve's order is for the verification to say.
 * @throws {CountersignError} WIRE_PASSKEY_MALFORMED */
export function parseDerSignature(der: Uint8Array): Uint8Array {
  const out = new Uint8Array(2 * scalarBytes)
  if (der[0] !== 0x30 || der[1] !== der.length - 2 || der.length > 2 + 2 * (3 + scalarBytes)) {
    throw malformed('is no ASN.1 sequence of its length')
  }
  const middle = readInteger(der, 2, out.subarray(0, scalarBytes))
  if (readInteger(der, middle, out.subarray(scalarBytes)) !== der.length)
    throw malformed('goes on after its end')
  return out
}

/** @returns where the integer ends. */
function readInteger(der: Uint8Array, at: number, target: Uint8Array): number {
  const length = der[at + 1]
  if (der[at] !== 0x02 || length === undefined || length === 0 || at + 2 + length > der.length) {
    throw malformed('lacks an integer')
  }
  const integer = der.subarray(at + 2, at + 2 + length)
  const [first = 0, second = 0] = integer
  if (first >= 0x80) throw malformed('has a negative integer')
  if (first === 0 && (length === 1 || second < 0x80)) throw malformed('has an integer that is zero or padded')
  const magnitude = first === 0 ? integer.subarray(1) : integer
  if (magnitude.length > target.length) throw malformed('has an integer of over 32 bytes')
  target.set(magnitude, target.length - magnitude.length)
  return at + 2 + length
}

function malformed(what: string) {
  return wireError('WIRE_PASSKEY_MALFORMED', `The authenticator’s signature ${what}.`)
}
