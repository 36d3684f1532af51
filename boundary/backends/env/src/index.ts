export * from './env-backend.ts'
