// Compose Optimize shows the places of the foreground: a click on a dot selects one of the paper's nine places, and
// dragging on the empty area draws a rectangle. Both are written into `places`.

import { app } from "../../scripts/app.js"
import { Text, chain, drag, element, grow, place } from "./parts/bound.js"
import { PLACES, SMALLEST, between, format, moved, named, parse } from "./parts/places.js"
import { say } from "./parts/words.js"

const NODE = "GuidedGAN_ComposeOptimize"
const HEAD = 26 // height of the line above the picture
const SIDE = 240 // of the picture, at most

class Placement {
  constructor(node) {
    this.node = node
    this.says = element("span", "says")
    this.clear = element("button", "plain", { type: "button", textContent: say("clear"), title: say("Take all places away") })
    this.clear.onclick = () => this.places.write("")
    this.area = element("div", "area", { title: say("Drag to draw a place, with Shift of any shape") })
    this.area.onpointerdown = (event) => this.draw(event)
    this.box = element("div", "placement", {}, element("div", "head", {}, this.says, this.clear), this.area)
    this.places = new Text(node, "places", () => this.show())
    this.scales = node.widgets.find((one) => one.name === "scales")
    this.best = node.widgets.find((one) => one.name === "search_best")
    for (const one of [this.scales, this.best]) chain(one, "callback", () => this.show())
    place(node, "placement", this.box, (width) => HEAD + Math.min(width, SIDE))
    grow(node)
    this.show()
  }

  /** The places in the text; none if it cannot be read. */
  get chosen() {
    return parse(this.places.value) ?? { names: new Set(), rectangles: [] }
  }

  get sizes() {
    const numbers = String(this.scales.value ?? "").replaceAll(",", " ").split(/\s+/).filter(Boolean).map(Number)
    return numbers.filter((scale) => scale > 0 && scale < 1)
  }

  show() {
    const { names, rectangles } = this.chosen
    const sizes = this.sizes
    const outlines = [...names].flatMap((name) => sizes.map((scale) => laid(element("div", "outline"), named(name, scale))))
    const dots = [...PLACES.keys()].map((name) => this.dot(name, names.has(name), sizes[0] ?? 0.5))
    this.area.replaceChildren(...outlines, ...rectangles.map((one, i) => this.rectangle(one, i)), ...dots)
    this.box.classList.toggle("guided-gan-linked", this.places.linked)
    const count = names.size * sizes.length + rectangles.length
    this.clear.hidden = this.places.linked || !this.places.value.trim()
    this.says.textContent = this.places.linked
      ? say("places come from a link")
      : parse(this.places.value) === null
        ? say("places cannot be read: a click begins anew")
        : count
          ? this.counted(count)
          : say("click a dot, or draw a place")
  }

  counted(count) {
    const best = Number(this.best.value)
    if (best > 0 && best < count) return say("the best {1} of {0} places", count, best)
    return say(count === 1 ? "1 place to try" : "{0} places to try", count)
  }

  dot(name, taken, scale) {
    const [left, top] = named(name, scale)
    const dot = element("button", "dot", { type: "button", title: name, "aria-label": name, "aria-pressed": String(taken) })
    laid(dot, [left + scale / 2, top + scale / 2])
    dot.onpointerdown = (event) => event.stopPropagation()
    dot.onclick = () => {
      const { names, rectangles } = this.chosen
      names.delete(name) || names.add(name)
      this.write({ names, rectangles })
    }
    return dot
  }

  rectangle(shape, index) {
    const corner = element("span", "corner", { title: say("Drag to change the size, with Shift the shape") })
    const drop = element("button", "drop", { type: "button", textContent: "×", title: say("Take this place away") })
    const made = element("div", "rectangle", { title: say("Drag to move") }, `${index + 1}`, drop, corner)
    const [left, top, width, height] = shape
    made.onpointerdown = (event) =>
      this.follow(event, ([x, y], [to, down]) => this.put(index, moved(shape, to - x, down - y)))
    corner.onpointerdown = (event) =>
      this.follow(event, (_, to, free) => {
        const changed = between([left, top], to, free || width !== height)
        if (changed[0] === left && changed[1] === top && large(changed)) this.put(index, changed)
      })
    drop.onpointerdown = (event) => event.stopPropagation()
    drop.onclick = () => this.put(index)
    return laid(made, shape)
  }

  /** Draw another rectangle, which is added once it is large enough. */
  draw(event) {
    const index = this.chosen.rectangles.length
    this.follow(event, (from, to, free) => {
      const drawn = between(from, to, free)
      if (large(drawn)) this.put(index, drawn)
    })
  }

  /** Follow a drag: calls `each` with its start and its position, in shares of the picture, and whether Shift is held. */
  follow(event, each) {
    event.stopPropagation()
    if (event.button !== 0 || this.places.linked) return
    const area = this.area.getBoundingClientRect()
    const at = (one) => [(one.clientX - area.left) / area.width, (one.clientY - area.top) / area.height]
    drag(event, (to) => each(at(event), at(to), to.shiftKey))
  }

  /** Replace one of the rectangles, or remove it. */
  put(index, ...shape) {
    const { names, rectangles } = this.chosen
    rectangles.splice(index, 1, ...shape)
    this.write({ names, rectangles })
  }

  write(chosen) {
    if (!this.places.linked) this.places.write(format(chosen))
  }
}

const large = ([, , width, height]) => width >= SMALLEST && height >= SMALLEST

/** Position an element over a part of the picture. */
function laid(made, [left, top, width, height]) {
  for (const [name, value] of Object.entries({ left, top, width, height }))
    if (value !== undefined) made.style[name] = `${value * 100}%`
  return made
}

app.registerExtension({
  name: "GuidedGAN.Placement",
  nodeCreated(node) {
    if (node.comfyClass === NODE) new Placement(node)
  },
})
