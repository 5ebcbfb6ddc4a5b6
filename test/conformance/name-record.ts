/** What a resolver says of a name. */
export interface NameRecord {
  readonly name: string
  readonly nickname: string
  readonly website: string
  readonly location: string
  readonly simplexContact: readonly string[]
  readonly simplexChannel: readonly string[]
  readonly eth: string | null
  readonly btc: string | null
  readonly xmr: string | null
  readonly dot: string | null
  readonly owner: string
  readonly resolver: string
}

/** Everything that clients want to know of a name, and no more than that. */
export const nameRecord = (name: string): NameRecord => ({
  name,
  nickname: '',
  website: '',
  location: '',
  simplexContact: [],
  simplexChannel: [],
  eth: null,
  btc: null,
  xmr: null,
  dot: null,
  owner: '0x00',
  resolver: '0x00',
})
