import type { Json } from '@countersign/bytes'
import type {
  CreateCredentialBody,
  CreateGrantBody,
  PutBookBody,
  PutWalletGroupBody,
  RouteMatch,
  SetLooseningDelayBody,
  SetQuorumBody,
  SetWalletOwnerBody,
  ThawBody,
} from '@countersign/wire'
import { putBook } from './books.ts'
import {
  type Asked,
  addCredential,
  putOrganisationPolicy,
  putPolicy,
  putWalletPolicy,
  revokeCredential,
} from './change.ts'
import { thaw } from './freeze.ts'
import { createGrant } from './grants.ts'
import { setLooseningDelay, setQuorum } from './organisation.ts'
import type { Answer, Signer } from './signer.ts'
import { putWalletGroup } from './wallet-groups.ts'
import { setWalletOwner } from './wallet-owner.ts'

interface PolicyAssignment {
  readonly policy: string | null
  readonly expected: string | null
}

/**
 * Every change by the admin quorum, whether it has just been asked for or has waited out its delay: one way for both.
 * @returns undefined for a route that is none. */
export function answerChange(
  signer: Signer,
  asked: Asked,
  { route, params }: RouteMatch,
  body: Json,
): Promise<Answer> | undefined {
  const param = (name: string) => params[name] as string
  const as = <T>() => body as unknown as T
  switch (route.operation) {
    case 'putPolicy':
      return putPolicy(signer, asked, {
        id: param('policyId'),
        ...as<{ policy: unknown; expected: `0x${string}` | null }>(),
      })
    case 'setWalletPolicy':
      return putWalletPolicy(signer, asked, { walletId: param('walletId'), ...as<PolicyAssignment>() })
    case 'setOrganisationPolicy':
      return putOrganisationPolicy(signer, asked, as<PolicyAssignment>())
    case 'createCredential':
      return addCredential(signer, asked, as<CreateCredentialBody>())
    case 'revokeCredential':
      return revokeCredential(signer, asked, param('credentialId'))
    case 'setQuorum':
      return setQuorum(signer, asked, as<SetQuorumBody>())
    case 'setLooseningDelay':
      return setLooseningDelay(signer, asked, as<SetLooseningDelayBody>())
    case 'putBook':
      return putBook(signer, asked, { id: param('bookId'), ...as<PutBookBody>() })
    case 'putWalletGroup':
      return putWalletGroup(signer, asked, { id: param('groupId'), ...as<PutWalletGroupBody>() })
    case 'createGrant':
      return createGrant(signer, asked, as<CreateGrantBody>())
    case 'setWalletOwner':
      return setWalletOwner(signer, asked, { walletId: param('walletId'), ...as<SetWalletOwnerBody>() })
    case 'thaw':
      return thaw(signer, asked, as<ThawBody>())
    default:
      return undefined
  }
}
