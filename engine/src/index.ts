export * from './api.ts'
export * from './catalogue.ts'
export * from './config.ts'
export * from './engine.ts'
