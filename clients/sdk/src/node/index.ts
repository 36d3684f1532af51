export * from './credential-file.ts'
export * from './key-object-credential.ts'
