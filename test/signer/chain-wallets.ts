import type { PolicyDocument } from '@countersign/policy'
import type { WalletAnswer } from '@countersign/wire'
import type { TestSigner } from './test-signer.ts'

/** A wallet of any chain family under a policy, both made by the admins. */
export async function walletOf(
  test: TestSigner,
  policy: PolicyDocument,
  kind: { readonly type: string; readonly chain?: string; readonly form?: string },
): Promise<WalletAnswer> {
  const put = await test.putPolicy(policy)
  if (put.status !== 200) throw new Error(`the policy was refused: ${JSON.stringify(put.body)}`)
  const made = await test.ask(
    'POST',
    '/v1/wallets',
    { ...kind, policy: policy.id },
    { by: test.admins.slice(0, 1) },
  )
  if (made.status !== 201) throw new Error(`no wallet: ${JSON.stringify(made.body)}`)
  return made.body as WalletAnswer
}
