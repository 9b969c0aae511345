// The notation of Compose Optimize's `places`, "top left, 0.1 0.3 0.5 0.5": some of nine names, or "all", and rectangles
// as left, top, width and height in shares of the picture.

const ALONG = [
  ["top", "middle", "bottom"],
  ["left", "centre", "right"],
]

/** By name, the shares of the free rows above the foreground, and of the free columns to its left. */
export const PLACES = new Map(
  ALONG[0].flatMap((row, i) =>
    ALONG[1].map((column, j) => [`${row} ${column}`.replace("middle centre", "centre"), [i / 2, j / 2]]),
  ),
)
export const SMALLEST = 0.05 // side of a rectangle that is drawn

/** The names and rectangles in a text; null if it is not in this notation. */
export function parse(text) {
  const names = new Set()
  const rectangles = []
  for (const part of text.toLowerCase().split(",").map((one) => one.trim()).filter(Boolean)) {
    const numbers = part.split(/\s+/).map(Number)
    if (part === "all") PLACES.forEach((_, name) => names.add(name))
    else if (PLACES.has(part)) names.add(part)
    else if (numbers.length === 4 && numbers.every(Number.isFinite)) rectangles.push(numbers)
    else return null
  }
  return { names, rectangles }
}

/** The text for names and rectangles: names in reading order, then rectangles. */
export function format({ names, rectangles }) {
  const listed = names.size === PLACES.size ? ["all"] : [...PLACES.keys()].filter((name) => names.has(name))
  return [...listed, ...rectangles.map((rectangle) => rectangle.join(" "))].join(", ")
}

/** The rectangle (left, top, width, height) of a foreground of this scale at a named place. */
export function named(name, scale) {
  const [row, column] = PLACES.get(name)
  return [column * (1 - scale), row * (1 - scale), scale, scale]
}

/** The rectangle between two points of the picture. free: of any shape, otherwise a square. */
export function between(from, end, free) {
  const [x, y, to, down] = rounded([...from, ...end]) // before the sides follow from them, so that none sticks out
  const inside = (value) => Math.min(1, Math.max(0, value))
  let width = inside(to) - x
  let height = inside(down) - y
  if (!free) {
    const room = Math.min(width < 0 ? x : 1 - x, height < 0 ? y : 1 - y, 0.99) // at 1 it would hide the whole picture
    const side = Math.min(room, Math.max(Math.abs(width), Math.abs(height)))
    width = width < 0 ? -side : side
    height = height < 0 ? -side : side
  } else if (Math.abs(width * height) > 0.99) height *= 0.99
  return rounded([Math.min(x, x + width), Math.min(y, y + height), Math.abs(width), Math.abs(height)])
}

/** A rectangle moved by shares of the picture, and kept within it. */
export function moved(rectangle, across, down) {
  const [left, top, width, height] = rounded(rectangle)
  const kept = (value, length) => Math.min(1 - length, Math.max(0, value))
  return rounded([kept(left + across, width), kept(top + down, height), width, height])
}

/** Numbers in hundredths, also after arithmetic with hundredths. */
const rounded = (numbers) => numbers.map((value) => Math.round(value * 100) / 100)
