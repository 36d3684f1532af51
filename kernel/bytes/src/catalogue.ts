import { type ErrorCatalogue, errorsOf } from './errors.ts'

export const bytesErrors = {
  BYTES_NOT_HEX: {
    status: 400,
    retry: 'after-fix',
    summary: 'A value that must be 0x-prefixed hexadecimal is not, or has the wrong length.',
    fix: 'Send 0x followed by an even number of hexadecimal digits, of the length that the field names.',
  },
  BYTES_NOT_BASE64: {
    status: 400,
    retry: 'after-fix',
    summary: 'A value that must be base64 or base64url is not.',
    fix: 'Encode the bytes as the field says: base64url without padding, or base64 with it.',
  },
  BYTES_NOT_AN_AMOUNT: {
    status: 400,
    retry: 'after-fix',
    summary: 'An amount is not a decimal string of smallest units.',
    fix: 'Write amounts as decimal strings in the smallest unit, for example "1000000000000000000" for one ether.',
  },
  BYTES_NOT_AN_ADDRESS: {
    status: 400,
    retry: 'after-fix',
    summary: 'A value is not an address of its chain family, or its EIP-55 checksum does not hold.',
    fix: 'Send 0x and 40 hexadecimal digits, either all lower case or with a correct EIP-55 checksum.',
  },
  BYTES_NOT_A_CHAIN: {
    status: 400,
    retry: 'after-fix',
    summary: 'A value is not a CAIP-2 chain id that this version knows.',
    fix: 'Write chains as CAIP-2, for example eip155:8453.',
  },
  BYTES_NOT_AN_ASSET: {
    status: 400,
    retry: 'after-fix',
    summary: 'A value is not a CAIP-19 asset id that this version knows.',
    fix: 'Write assets as CAIP-19, for example eip155:8453/slip44:60 or eip155:8453/erc20:0x….',
  },
  JSON_INVALID: {
    status: 400,
    retry: 'after-fix',
    summary:
      'A body is not the JSON that is accepted here: malformed, a key twice, or a key that is not allowed.',
    fix: 'Send RFC 8259 JSON in UTF-8 in which no object repeats a key.',
  },
  JSON_TOO_LARGE: {
    status: 413,
    retry: 'after-fix',
    summary: 'A JSON text is over the size or the depth that its place allows.',
    fix: 'Split the request, or send large calldata as bytes.',
  },
} as const satisfies ErrorCatalogue

export const bytesError = errorsOf(bytesErrors)
