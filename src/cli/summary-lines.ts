import type { Paths } from '../config/paths.ts'

/** The reminder after certificates were created. */
export function caKeyReminder(paths: Paths): string[] {
  const rule = '----------'
  return [
    rule,
    'You should store CA private key securely and delete it from the server.',
    'If server TLS credential is compromised this key can be used to sign a new one, keeping the same server identity and established connections.',
    'CA private key location:',
    paths.caKey,
    rule,
  ]
}

export function identityLines(version: string, fingerprint: string, address: string): string[] {
  return [version, `Fingerprint: ${fingerprint}`, `Server address: ${address}`]
}

export function sourceCodeLines(sourceCode: string | undefined): string[] {
  return sourceCode === undefined
    ? [
        'Warning: server source code is not specified.',
        "Add 'source_code' property to [INFORMATION] section of INI file.",
      ]
    : [`Server source code: ${sourceCode}`]
}
