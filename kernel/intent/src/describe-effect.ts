import { type ChainId, nativeAsset } from '@countersign/bytes'
import type { UserOperation } from './account-effect.ts'
import type { Effect, TokenApproval, TokenTransfer, TypedData } from './effect.ts'

/**
 * One plain line on an effect, for people, the journal and the policy's answer. Deterministic, and never throws.
 * Text that came from outside stands in quotes, cut short, with whatever could hide or reorder the line escaped.
 */
export function describeEffect(effect: Effect): string {
  const account = 'account' in effect ? effect.account : undefined
  return account === undefined ? describeAct(effect) : `${describeAct(effect)}, by the account ${account}`
}

function describeAct(effect: Effect): string {
  switch (effect.kind) {
    case 'native-transfer':
      return `${coins(effect.amountMinor, effect.chain)} native coin (${effect.chain}) to ${effect.recipient}`
    case 'token-transfer':
      return describeTransfer(effect)
    case 'approval':
      return describeApproval(effect)
    case 'contract-call':
      return `Call of ${effect.selector} on ${effect.contract} (${effect.chain})`
    case 'unknown-calldata':
      return `Unreadable calldata for ${effect.contract} (${effect.chain}): ${plain(effect.reason)}`
    case 'deploy':
      return (
        `Deployment of a contract (${effect.chain}) from ${effect.initCodeBytes} bytes ` +
        `with ${coins(effect.valueMinor, effect.chain)} native coin; init code hash ${effect.initCodeHash}`
      )
    case 'delegation':
      return (
        `${effect.signedBy === 'own' ? 'This wallet' : 'Another account'} hands its account to the code of ` +
        `${effect.delegate} on ${effect.chain ?? 'every chain'} (EIP-7702, nonce ${effect.authorityNonce})`
      )
    case 'fee':
      return effect.asset === nativeAsset(effect.chain)
        ? `Fee of at most ${coins(effect.amountMinor, effect.chain)} native coin (${effect.chain})`
        : `Fee of at most ${effect.amountMinor} of ${effect.asset}`
    case 'batch':
      return `Batch of ${effect.calls} ${effect.calls === 1 ? 'call' : 'calls'} (${effect.form}) through ${effect.contract} (${effect.chain})`
    case 'delegatecall':
      return `Code of ${effect.contract} run with every right of the account (delegatecall, ${effect.chain})`
    case 'user-operation':
      return describeUserOperation(effect)
    case 'safe-transaction':
      return (
        `Transaction of the Safe ${effect.safe}, a ${effect.operation} of ${effect.to} (${effect.chain}, ` +
        `${effect.nonce === undefined ? 'its next nonce' : `nonce ${effect.nonce}`})`
      )
    case 'delegation-grant':
      return (
        `Delegation from ${effect.delegator} to ${effect.delegate} with ${effect.caveats.length} ` +
        `${effect.caveats.length === 1 ? 'caveat' : 'caveats'} (ERC-7710, ${effect.chain})`
      )
    case 'swap':
      return (
        `Swap of at most ${effect.amountMinor} of ${effect.asset} for at least ${effect.receivedMinor} of ` +
        `${effect.receivedAsset}${effect.recipient === undefined ? '' : ` to ${effect.recipient}`}, by ${effect.contract}`
      )
    case 'vault-deposit':
      return `Deposit of ${effect.amountMinor} ${effect.unit} into the vault ${effect.contract} (${effect.chain}), shares to ${effect.recipient}`
    case 'vault-withdrawal':
      return (
        `Withdrawal of ${effect.amountMinor} ${effect.unit} of ${effect.owner} from the vault ${effect.contract} ` +
        `(${effect.chain}) to ${effect.recipient}`
      )
    case 'wrap':
      return `${effect.direction === 'wrap' ? 'Wrapping' : 'Unwrapping'} of ${effect.amountMinor} of ${effect.asset} at ${effect.contract}`
    case 'program-call':
      return `Instruction ${effect.instruction ?? `of ${(effect.data.length - 2) / 2} bytes`} of the program ${effect.program} (${effect.chain})`
    case 'account-creation':
      return (
        `New account ${effect.address} of the program ${effect.program} (${effect.chain}), ` +
        `${effect.amountMinor === undefined ? 'funded with its rent' : `funded with ${effect.amountMinor} lamports`}`
      )
    case 'token-authority':
      return `Authority ${plain(effect.authority)} over ${effect.address} to ${effect.newAuthority ?? 'nobody'} (${effect.chain})`
    case 'stake':
      return (
        `Stake ${effect.action}${effect.role === undefined ? '' : ` (${effect.role})`} of ${effect.stakeAccount}${effect.counterparty === undefined ? '' : ` to ${effect.counterparty}`}` +
        `${effect.amountMinor === undefined ? '' : ` of ${effect.amountMinor} lamports`} (${effect.chain})`
      )
    case 'memo':
      return effect.text === undefined
        ? `Memo of ${effect.memoBytes} bytes that are not text`
        : `Memo ${quoteText(effect.text)}`
    case 'data-output':
      return `Output of ${effect.amountMinor} units that carries data, ${(effect.data.length - 2) / 2} bytes (${effect.chain})`
    case 'message':
      return effect.text === undefined
        ? `Message of ${effect.messageBytes} bytes that are not text, EIP-191 hash ${effect.messageHash}`
        : `Message ${quoteText(effect.text)}`
    case 'typed-data':
      return describeTypedData(effect)
    case 'raw-digest':
      return `Raw digest ${effect.digest}, of which nothing is known`
    case 'raw-message':
      return `Raw message of ${effect.messageBytes} bytes, SHA-256 ${effect.messageHash}`
    default:
      return 'An effect of an unknown kind'
  }
}

/**
 * Untrusted text in double quotes on one line: control characters, line separators, bidirectional and invisible
 * characters, quotes and backslashes are escaped, and what is over `charsMax` is cut and counted. */
export function quoteText(text: string, charsMax = 80): string {
  const shown: string[] = []
  let count = 0
  for (const char of text) {
    if (count < charsMax) shown.push(plainChar(char))
    count++
  }
  const quoted = `"${shown.join('')}"`
  return count > charsMax ? `${quoted}… (${count} characters)` : quoted
}

function describeTransfer(effect: TokenTransfer): string {
  const { assets, from, recipient, amountMinor } = effect
  return `${amountMinor} of ${assets.join(' or ')}${from === undefined ? '' : ` from ${from}`} to ${recipient}`
}

function describeApproval(effect: TokenApproval): string {
  const { amountMinor, assets, by, mode, spender, expiresAtS } = effect
  const power =
    amountMinor === undefined ? 'any amount' : `${mode === 'increase' ? 'further ' : ''}${amountMinor}`
  const how = by === 'signature' ? ' by signature alone' : ''
  const until = expiresAtS === undefined ? '' : ` until ${expiresAtS} (Unix seconds)`
  return `Approval${how} of ${power} of ${assets.join(' or ')} for ${spender}${until}`
}

function describeUserOperation(effect: UserOperation): string {
  const { chain, entryPoint, factory, nonce, paymaster, sender, version } = effect
  const deploys = factory === undefined ? '' : `, deployed by ${factory}`
  const payer = paymaster === undefined ? '' : `, paid by the paymaster ${paymaster}`
  return `User operation ${nonce} of ${sender}${deploys}${payer} (ERC-4337 ${version}, entry point ${entryPoint}, ${chain})`
}

function describeTypedData(effect: TypedData): string {
  const name = effect.domain.name
  const app = typeof name === 'string' ? ` of ${quoteText(name, 40)}` : ''
  const contract = effect.verifyingContract === undefined ? '' : ` for ${effect.verifyingContract}`
  const permit = effect.opaquePermit === true ? '; it is named like a permit but cannot be read as one' : ''
  return `Typed data ${quoteText(effect.primaryType, 60)}${app}${contract} (${chainName(effect.chain)})${permit}`
}

function chainName(chain: ChainId | undefined): string {
  return chain ?? 'no chain named'
}

/** Every EVM chain's own coin has 18 decimals as far as the EVM is concerned; Solana's has 9, Bitcoin's 8. */
function coins(amountMinor: bigint, chain: ChainId): string {
  const decimals = chain.startsWith('solana:') ? 9 : chain.startsWith('bip122:') ? 8 : 18
  const digits = amountMinor.toString().padStart(decimals + 1, '0')
  const fraction = digits.slice(-decimals).replace(/0+$/, '')
  const whole = digits.slice(0, -decimals)
  return fraction === '' ? whole : `${whole}.${fraction}`
}

// Controls, format characters (bidirectional ones among them), surrogates, private use, line and paragraph separators,
// spaces other than the plain one, what renders as nothing, and the characters that quoting itself uses.
const hiddenChar = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}"\\]|(?! )\p{Zs}/u

function plainChar(char: string): string {
  return hiddenChar.test(char) ? `\\u{${(char.codePointAt(0) ?? 0).toString(16)}}` : char
}

function plain(text: string): string {
  return Array.from(text.slice(0, 200), plainChar).join('')
}
