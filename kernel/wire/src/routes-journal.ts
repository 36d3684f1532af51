import * as api from './api-journal.ts'
import type { Route } from './routes.ts'

/** The journal as evidence, beside the resources of C2SP tlog-tiles, which have paths of their own. */
export const journalRoutes = [
  {
    method: 'POST',
    pattern: '/v1/journal/cosignatures',
    operation: 'addCosignatures',
    auth: 'public',
    signer: true,
    status: 200,
    summary: 'Hand in witnesses’ cosignatures of a checkpoint. Only those of configured witnesses are kept.',
    body: api.addCosignaturesBody,
    answer: api.cosignaturesAnswer,
  },
  {
    method: 'GET',
    pattern: '/v1/journal/documents/{sha256}',
    operation: 'getDocument',
    auth: 'credential',
    signer: true,
    status: 200,
    summary:
      'Get what stands beside a journal entry because it is too long. Needs the power read or the role admin.',
    answer: api.documentAnswer,
  },
] as const satisfies readonly Route[]
