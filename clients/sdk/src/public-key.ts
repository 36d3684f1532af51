import { type Hex, isHexOfBytes } from '@countersign/bytes'
import { isAddressEqual, numberToHex } from 'viem'
import { publicKeyToAddress } from 'viem/accounts'
import { sdkError } from './catalogue.ts'

// SEC 2, 2.4.1.
const fieldPrime = (1n << 256n) - (1n << 32n) - 977n

/**
 * The form that viem uses: 0x04, x, y. Only public values pass here.
 * @throws {CountersignError} SDK_ANSWER_INVALID where key and address do not belong together */
export function uncompressedPublicKey(wallet: { address: string; publicKey: Hex }): Hex {
  const { address, publicKey } = wallet
  const whole = isHexOfBytes(publicKey, 33) ? decompress(publicKey) : publicKey
  if (!isHexOfBytes(whole, 65) || !isAddressEqual(publicKeyToAddress(whole), address as Hex)) {
    throw sdkError(
      'SDK_ANSWER_INVALID',
      `The public key of wallet ${address} does not belong to its address.`,
    )
  }
  return whole
}

/** y = sqrt(x^3 + 7); the prime is 3 modulo 4, so the root is a power. SEC 1, 2.3.4. */
function decompress(publicKey: Hex): Hex {
  const x = BigInt(`0x${publicKey.slice(4)}`)
  const root = power((x ** 3n + 7n) % fieldPrime, (fieldPrime + 1n) / 4n)
  const odd = publicKey.slice(2, 4) === '03'
  const y = (root & 1n) === (odd ? 1n : 0n) ? root : fieldPrime - root
  return `0x04${numberToHex(x, { size: 32 }).slice(2)}${numberToHex(y, { size: 32 }).slice(2)}`
}

function power(base: bigint, exponent: bigint): bigint {
  let result = 1n
  for (let square = base, bits = exponent; bits > 0n; bits >>= 1n) {
    if (bits & 1n) result = (result * square) % fieldPrime
    square = (square * square) % fieldPrime
  }
  return result
}
