import type { Effect, Intent } from '@countersign/intent'

/** What a signature can pay, as fields: for accountants, and for comparing the journal with what a chain shows. */
export interface Evidence {
  readonly transaction?: { readonly chain: string; readonly nonce: number }
  /** Which smart account it is for: that is where a chain shows it. */
  readonly userOperation?: { readonly chain: string; readonly entryPoint: string; readonly sender: string }
  readonly payments?: readonly Payment[]
  readonly fees?: readonly { readonly asset: string; readonly maxMinor: string }[]
}

export interface Payment {
  readonly kind: 'native-transfer' | 'token-transfer' | 'swap'
  /** Index into the entry's effects; the entry's values name the same. */
  readonly effect: number
  /** Where a call fits two token standards, by both. */
  readonly asset: string
  readonly recipient: string
  readonly amountMinor: string
  /** Whose it is, where that is not the wallet itself. */
  readonly from?: string
}

export function evidenceOf({ operation, chain, transaction, effects }: Intent): Evidence {
  const payments = effects.flatMap((effect, i) => paymentOf(effect).map((paid) => ({ ...paid, effect: i })))
  const fees = effects.flatMap((effect) =>
    effect.kind === 'fee' ? [{ asset: effect.asset, maxMinor: String(effect.amountMinor) }] : [],
  )
  return {
    ...(transaction === undefined || chain === undefined
      ? {}
      : { transaction: { chain, nonce: Number(transaction.nonce) } }),
    ...(operation === 'sign-user-operation' ? operationOf(effects) : {}),
    ...(payments.length === 0 ? {} : { payments }),
    ...(fees.length === 0 ? {} : { fees }),
  }
}

/** The envelope is the first effect; operations inside of its calls follow. */
function operationOf([envelope]: Intent['effects']): Pick<Evidence, 'userOperation'> {
  if (envelope?.kind !== 'user-operation') return {}
  const { chain, entryPoint, sender } = envelope
  return { userOperation: { chain, entryPoint, sender } }
}

function paymentOf(effect: Effect): Omit<Payment, 'effect'>[] {
  switch (effect.kind) {
    case 'native-transfer': {
      const { kind, asset, recipient, amountMinor, account } = effect
      if (amountMinor === 0n) return []
      return [{ kind, asset, recipient, amountMinor: String(amountMinor), ...fromOf(account) }]
    }
    case 'token-transfer': {
      const { kind, assets, recipient, amountMinor, from, account } = effect
      const asset = assets.join(' or ')
      return [{ kind, asset, recipient, amountMinor: String(amountMinor), ...fromOf(from ?? account) }]
    }
    case 'swap': {
      const { kind, asset, contract, amountMinor, account } = effect
      return [{ kind, asset, recipient: contract, amountMinor: String(amountMinor), ...fromOf(account) }]
    }
    default:
      return []
  }
}

function fromOf(account: string | undefined): { readonly from?: string } {
  return account === undefined ? {} : { from: account }
}
