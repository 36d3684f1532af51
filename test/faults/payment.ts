import type { PolicyDocument } from '@countersign/policy'
import { serializeTransaction } from 'viem'

export const payee = '0x1111111111111111111111111111111111111111'
const chain = 'eip155:31337'

/** Pays one payee, at most `limit` wei in a day; messages are free. */
export function paymentPolicy(id: string, limit = 1000n): PolicyDocument {
  return {
    version: 1,
    id,
    rules: [
      {
        id: 'pay',
        action: 'permit',
        effects: ['native-transfer'],
        when: { chain: [chain], recipient: [payee] },
        limits: [
          { id: 'daily', amount: String(limit), asset: `${chain}/slip44:60`, window: { rolling: '24h' } },
        ],
      },
      { id: 'fee', action: 'permit', effects: ['fee'], when: { chain: [chain] } },
      { id: 'hello', action: 'permit', effects: ['message'], operations: ['sign-message'] },
    ],
  }
}

/** The body of a sign-transaction request for a payment of `value` wei. */
export function payment(value: bigint, nonce = 0, to: `0x${string}` = payee) {
  const unsignedTransaction = serializeTransaction({
    type: 'eip1559',
    chainId: 31337,
    to,
    value,
    nonce,
    gas: 21_000n,
    maxFeePerGas: 1_000_000_000n,
    maxPriorityFeePerGas: 1n,
  })
  return { unsignedTransaction }
}
