export * from './file-backend.ts'
export * from './legacy.ts'
