export * from './ceremonies.ts'
export * from './deal-shares.ts'
export * from './network.ts'
export * from './seeded-random.ts'
