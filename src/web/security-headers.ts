/** The pages take everything from this server alone; the browser is told to refuse the rest. */
export const PAGE_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
].join('; ')

/**
 * Sent with every answer. There is no HSTS: whether the rest of a domain can do without plain HTTP is for its operator
 * to know.
 */
export const SECURITY_HEADERS = {
  'Content-Security-Policy': `${PAGE_POLICY}; frame-ancestors 'none'`,
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
} as const
