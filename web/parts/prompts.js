// The notations of weighted prompts in a text: "a farm | charcoal:0.5", as in Encode Text, or one on each line.

const NUMBER = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i
const MOST_WEIGHT = 10 // to either side of 0: a greater number belongs to the text
const TIME = /(?<![\d.:])(?:[01]?\d|2[0-3]):[0-5]\d$/

/** Notations of prompts: the separator, and whether each prompt has a weight. */
export const FORMS = {
  bars: { apart: "|", join: " | ", weights: true },
  lines: { apart: "\n", join: "\n", weights: false },
  weighedLines: { apart: "\n", join: "\n", weights: true },
}

/** Text and weight of each prompt. Separators within a choice such as {red|blue} do not count. */
export function parse(text, { apart, weights }) {
  const parts = [""]
  let depth = 0
  for (const letter of text) {
    depth = letter === "{" ? depth + 1 : letter === "}" ? Math.max(0, depth - 1) : depth
    if (letter === apart && !depth) parts.push("")
    else parts[parts.length - 1] += letter
  }
  const found = parts.map((part) => (weights ? weighed(part) : { says: part.trim(), weight: 1 }))
  return apart === "\n" ? found.filter(({ says }) => says) : found
}

export function format(prompts, { join, weights }) {
  return prompts
    .map(({ says, weight, stop }) => {
      if (stop !== undefined) return `${says}:${weight}:${stop}`
      return weights && (weight !== 1 || weighed(says).says !== says.trim()) ? `${says}:${weight}` : says
    })
    .join(join)
}

/** Splits a prompt into text, weight, and the loss floor at which it stops, if there is a second number. */
function weighed(part) {
  const [says, number] = split(part)
  if (number === undefined) return { says, weight: 1 }
  const [before, first] = split(says)
  const stops = first !== undefined && Math.abs(first) <= MOST_WEIGHT
  return stops ? { says: before, weight: first, stop: number } : { says, weight: number }
}

/** The text before the last colon and the number after it, unless that colon is one of a time of day. */
function split(part) {
  const at = part.lastIndexOf(":")
  const number = part.slice(at + 1).trim()
  if (at < 0 || TIME.test(part.trimEnd().slice(-6)) || !NUMBER.test(number)) return [part.trim()]
  return [part.slice(0, at).trim(), Number(number)]
}
