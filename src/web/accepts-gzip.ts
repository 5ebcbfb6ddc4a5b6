/** Whether a client accepts gzip (RFC 9110 §12.5.3): by name or `*`, with a weight above 0. */
export function acceptsGzip(acceptEncoding: string | string[] | undefined): boolean {
  const codings = [acceptEncoding ?? ''].flat().join(',').toLowerCase().split(',').map(weighted)
  const coding = codings.find(({ name }) => name === 'gzip') ?? codings.find(({ name }) => name === '*')
  return coding !== undefined && coding.weight > 0
}

function weighted(text: string): { readonly name: string; readonly weight: number } {
  const [name = '', ...parameters] = text.split(';').map((part) => part.trim())
  const weight = parameters.find((parameter) => parameter.startsWith('q='))
  return { name, weight: weight === undefined ? 1 : Number(weight.slice(2)) }
}
