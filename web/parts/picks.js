// The notation of Basis Init's `pick`, "1 3:0.5": starts counted from 1, each with a share, which is 1 by default.

/** The shares by start, in the text's order; null if the text is not in this notation. */
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

/** The shares by start, normalised to sum 1. */
export function parts(shares) {
  const whole = [...shares.values()].reduce((sum, share) => sum + share, 0)
  return new Map([...shares].map(([start, share]) => [start, share / whole]))
}
