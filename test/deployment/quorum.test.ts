import { calls, cosignRequest } from '@countersign/sdk'
import { quorumLifetimeS } from '@countersign/wire'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Deployment, startDeployment } from './deployment.ts'

let deployment: Deployment
beforeAll(async () => {
  deployment = await startDeployment({ admins: 3, quorum: 2 })
})
afterAll(() => deployment?.stop())

const policyOf = (id: string) => ({
  version: 1,
  id,
  rules: [{ id: 'talk', action: 'permit', effects: ['message'] }],
})

describe('an admin quorum of 2 of 3', () => {
  it('is met by two credentials that sign one request at different times', async () => {
    const [first, second] = deployment.adminCredentials
    const alone = deployment.clientFor(first!)
    const prepared = await alone.prepare(
      calls.putPolicy({ id: 'both', policy: policyOf('both'), expected: null }),
    )
    const whole = await cosignRequest(prepared, second!, { lifetimeS: quorumLifetimeS })
    expect(await alone.submit(whole)).toMatchObject({ id: 'both', version: 1 })
  })

  it('is not met by one, nor by one and an agent', async () => {
    const [first] = deployment.adminCredentials
    const input = { id: 'one', policy: policyOf('one'), expected: null }
    await expect(deployment.clientFor(first!).policies.put(input)).rejects.toMatchObject({ status: 403 })
    const withAgent = deployment.clientFor(first!, [deployment.agentCredential])
    await expect(withAgent.policies.put(input)).rejects.toMatchObject({ status: 403 })
  })
})
