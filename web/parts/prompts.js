// The notations of weighted prompts in a text: "a farm | charcoal:0.5", as in Encode Text, or one on each line.

const NUMBER = /^(?:[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|inf)|nan)$/i
export const MOST_WEIGHT = 10 // to either side of 0: a greater number belongs to the text
const TIME = /(?<![\d.:])(?:[01]?\d|2[0-3]):[0-5]\d$/

/** Notations of prompts: the separators, the one that is written, and whether each prompt has a weight. */
export const FORMS = {
  bars: { apart: "|", join: " | ", weights: true },
  lines: { apart: "\n", join: "\n", weights: false },
  weighedLines: { apart: "\n/|", join: "\n", weights: true },
}

/** Text, weight and notation of each prompt. Separators within a choice such as {red|blue} do not count. */
export function parse(text, { apart, join, weights }) {
  const parts = [""]
  let depth = 0
  for (const letter of text) {
    depth = letter === "{" ? depth + 1 : letter === "}" ? Math.max(0, depth - 1) : depth
    if (apart.includes(letter) && !depth) parts.push("")
    else parts[parts.length - 1] += letter
  }
  const found = parts.map((part) => ({ ...(weights ? weighed(part) : { says: part.trim(), weight: 1 }), part: part.trim() }))
  return join === "\n" ? found.filter(({ says }) => says) : found
}

/** The text for prompts: each in its own notation, or else in one that is read as that prompt. */
export function format(prompts, form) {
  return prompts.map((prompt) => prompt.part ?? written(prompt, form)).join(form.join)
}

/** Whether the prompts that were read are this one alone. */
export function are(read, { says, weight, stop }) {
  return read.length === 1 && read[0].says === says && read[0].weight === weight && read[0].stop === stop
}

/** The notation of a prompt; its text alone if that is notation itself, as "charcoal:0.5" and "snow | night" are. */
function written(prompt, form) {
  const { says, weight, stop } = prompt
  const weights = numbers(weight)
  const ends = stop === undefined ? ["", ...weights] : weights.flatMap((one) => numbers(stop).map((other) => one + other))
  return ends.map((end) => says + end).find((text) => are(parse(text, form), prompt)) ?? says
}

/** Notations of a number: the second is for where the first would tell the time, as in "room 7:10". */
const numbers = (value) => [`:${value}`, `:${value}.0`]

/** Splits a prompt into text, weight, and the loss floor at which it stops, if there is a second number. */
function weighed(part) {
  const [says, number] = split(part)
  if (number === undefined) return { says, weight: 1 }
  const [before, first] = split(says)
  if (first === undefined || (Math.abs(first) > MOST_WEIGHT && Math.abs(first) < Infinity)) return { says, weight: number }
  return { says: before, weight: first, stop: number === -Infinity ? undefined : number }
}

/** The text before the last colon and the number after it, unless that colon is one of a time of day. */
function split(part) {
  const at = part.lastIndexOf(":")
  const number = part.slice(at + 1).trim()
  if (at < 0 || TIME.test(part.trimEnd().slice(-6)) || !NUMBER.test(number)) return [part.trim()]
  return [part.slice(0, at).trim(), Number(number.replace(/inf/i, "Infinity"))]
}
