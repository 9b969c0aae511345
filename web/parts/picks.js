// "1 3:0.5" as Basis Init's `pick` takes it: starts counted from 1, each with a share, which is 1 where none is given.

/** The shares by start, in the text's order; null where the text is none of this form. */
export function parse(text) {
  const shares = new Map()
  for (const part of text.replaceAll(",", " ").split(/\s+/).filter(Boolean)) {
    const found = /^\+?(\d+)(?::(.+))?$/.exec(part)
    const share = found?.[2] === undefined ? 1 : Number(found[2])
    if (!found || !(share > 0 && share < Infinity) || shares.has(Number(found[1]))) return null
    shares.set(Number(found[1]), share)
  }
  return shares
}

/** The text of shares by start, lowest start first. */
export function format(shares) {
  return [...shares]
    .sort(([a], [b]) => a - b)
    .map(([start, share]) => (share === 1 ? `${start}` : `${start}:${Number(share.toFixed(2))}`))
    .join(" ")
}

/** What part of the whole each start has, by start. */
export function parts(shares) {
  const whole = [...shares.values()].reduce((sum, share) => sum + share, 0)
  return new Map([...shares].map(([start, share]) => [start, share / whole]))
}
