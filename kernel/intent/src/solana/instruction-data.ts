import { decodeUtf8, encodeSolanaAddress, type SolanaAddress } from '@countersign/bytes'

/** Fields of instruction data, as bincode and the token programs lay them out: little-endian, without padding. */
interface FieldTypes {
  u8: number
  u32: number
  u64: bigint
  i64: bigint
  address: SolanaAddress
  /** One byte, then the value if it is 1. */
  addressOption: SolanaAddress | undefined
  u64Option: bigint | undefined
  i64Option: bigint | undefined
  /** u64 length, then UTF-8. */
  string: string
}
export type FieldName = keyof FieldTypes
export type FieldsOf<Layout extends readonly FieldName[]> = {
  [Index in keyof Layout]: FieldTypes[Layout[Index]]
}

const optionOf = { addressOption: 'address', u64Option: 'u64', i64Option: 'i64' } as const

/**
 * Reads data that is exactly the layout, from `at` to the end.
 * @returns undefined for anything else, also for what programs would take all the same, such as bytes after the end. */
export function readFields<const Layout extends readonly FieldName[]>(
  data: Uint8Array,
  at: number,
  layout: Layout,
): FieldsOf<Layout> | undefined {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength)
  const values: unknown[] = []
  let end = at
  for (const field of layout) {
    const read = readField(view, data, end, field)
    if (read === undefined) return undefined
    values.push(read.value)
    end = read.end
  }
  return end === data.length ? (values as unknown as FieldsOf<Layout>) : undefined
}

function readField(
  view: DataView,
  data: Uint8Array,
  at: number,
  field: FieldName,
): { value: unknown; end: number } | undefined {
  const left = data.length - at
  switch (field) {
    case 'u8':
      return left < 1 ? undefined : { value: view.getUint8(at), end: at + 1 }
    case 'u32':
      return left < 4 ? undefined : { value: view.getUint32(at, true), end: at + 4 }
    case 'u64':
      return left < 8 ? undefined : { value: view.getBigUint64(at, true), end: at + 8 }
    case 'i64':
      return left < 8 ? undefined : { value: view.getBigInt64(at, true), end: at + 8 }
    case 'address':
      return left < 32 ? undefined : { value: encodeSolanaAddress(data.subarray(at, at + 32)), end: at + 32 }
    case 'string': {
      if (left < 8) return undefined
      const length = view.getBigUint64(at, true)
      if (length > BigInt(left - 8)) return undefined
      const end = at + 8 + Number(length)
      const value = textOf(data.subarray(at + 8, end))
      return value === undefined ? undefined : { value, end }
    }
    default: {
      const present = data[at]
      if (present === 0) return { value: undefined, end: at + 1 }
      return present === 1 ? readField(view, data, at + 1, optionOf[field]) : undefined
    }
  }
}

export function textOf(bytes: Uint8Array): string | undefined {
  try {
    return decodeUtf8(bytes)
  } catch {
    return undefined
  }
}
