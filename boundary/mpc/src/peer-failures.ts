import { abort } from './abort.ts'
import type { PartyIndex } from './parties.ts'

/** In the order in which an abort names them, where several fail. */
const peerProblems = [
  'commitment-mismatch',
  'malformed',
  'proof-invalid',
  'share-invalid',
  'identity-point',
] as const
export type PeerProblem = (typeof peerProblems)[number]

/** All who failed, under the first problem of the list. */
export class Failures {
  readonly #byPeer = new Map<PartyIndex, PeerProblem>()

  add(problem: PeerProblem, peer: PartyIndex): void {
    this.#byPeer.set(peer, problem)
  }

  get any(): boolean {
    return this.#byPeer.size > 0
  }

  abort() {
    const problem = peerProblems.find((one) => [...this.#byPeer.values()].includes(one))
    if (problem === undefined) throw new Error('bug: nobody failed')
    const culprits = [...this.#byPeer.keys()]
    return abort({
      problem,
      culprits,
      message: `Parties ${culprits.join(', ')} failed a check (${problem}).`,
    })
  }
}
