// A chart of scores by step of a search, as an SVG that is redrawn for each size, so that its text stays legible.

export const INKS = ["#4dabf7", "#ff8787", "#69db7c", "#b197fc", "#ffa94d", "#66d9e8"]

const SPACE = { left: 46, right: 14, top: 6, bottom: 30 } // around the axes, for their numbers and titles
const NAMESPACE = "http://www.w3.org/2000/svg"

/**
 * Draw a curve.
 *
 * curve: `steps`, `scores` by name (null for missing values), and `kept`, the steps of the best results so far.
 * last: the step at which the search ends. titles: of the axes, `across` and `up`.
 */
export function draw(svg, curve, last, width, height, titles) {
  const { steps, scores, kept } = curve
  const inner = { width: width - SPACE.left - SPACE.right, height: height - SPACE.top - SPACE.bottom }
  const [low, high] = range(Object.values(scores).flat())
  const first = steps[0] ?? 0
  const x = (step) => SPACE.left + ((step - first) / Math.max(last - first, 1)) * inner.width
  const y = (score) => SPACE.top + ((high - score) / (high - low)) * inner.height
  const parts = []
  for (const score of ticks(low, high, 3)) {
    parts.push(made("line", { x1: SPACE.left, x2: width - SPACE.right, y1: y(score), y2: y(score), class: "grid" }))
    parts.push(text(SPACE.left - 4, y(score) + 4, tidy(score), "end"))
  }
  for (const step of ticks(first, Math.max(last, first + 1), 5).filter(Number.isInteger))
    parts.push(text(x(step), height - SPACE.bottom + 13, step, "middle"))
  parts.push(text(SPACE.left + inner.width / 2, height - 3, titles.across, "middle"))
  const middle = SPACE.top + inner.height / 2
  parts.push(text(9, middle, titles.up, "middle", { transform: `rotate(-90 9 ${middle})` }))
  Object.entries(scores).forEach(([name, values], i) => {
    const ink = INKS[i % INKS.length]
    for (const run of runs(values)) {
      const points = run.map((row) => `${x(steps[row])},${y(values[row])}`)
      parts.push(made("polyline", { points: points.join(" "), stroke: ink, "data-score": name }))
    }
    for (const row of kept.map((step) => steps.indexOf(step)).filter((row) => values[row] != null))
      parts.push(made("circle", { cx: x(steps[row]), cy: y(values[row]), r: 3.5, fill: ink }))
  })
  for (const [name, value] of Object.entries({ width, height, viewBox: `0 0 ${width} ${height}` }))
    svg.setAttribute(name, value)
  svg.replaceChildren(...parts)
}

export function tidy(value) {
  return Number(value.toPrecision(4)).toString()
}

function made(tag, given) {
  const one = document.createElementNS(NAMESPACE, tag)
  for (const [name, value] of Object.entries(given)) one.setAttribute(name, value)
  return one
}

function text(x, y, content, anchor, given = {}) {
  const one = made("text", { x, y, "text-anchor": anchor, ...given })
  one.textContent = content
  return one
}

/** Runs of consecutive indices whose values are not null. */
function runs(values) {
  const found = [[]]
  values.forEach((value, row) => (value === null ? found.push([]) : found.at(-1).push(row)))
  return found.filter((run) => run.length)
}

/** The range of the values with a margin; not empty for constant values. */
function range(values) {
  const numbers = values.filter((value) => value !== null)
  if (!numbers.length) return [0, 1]
  const [low, high] = [Math.min(...numbers), Math.max(...numbers)]
  const margin = 0.06 * (high - low || Math.abs(high) || 1)
  return [low - margin, high + margin]
}

/** About `count` round numbers from low to high: multiples of 1, 2 or 5 times a power of ten. */
function ticks(low, high, count) {
  const least = (high - low) / count
  const power = 10 ** Math.floor(Math.log10(least))
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= least)
  const found = []
  for (let i = Math.ceil(low / step); i * step <= high; i++) found.push(Number((i * step).toPrecision(12)))
  return found
}
