// Basis Init shows its starts: a click picks one, dragging along it sets its share. Both are written into `pick`.

import { app } from "../../scripts/app.js"
import { api } from "../../scripts/api.js"
import { Text, chain, drag, element, executedBefore, grow, place } from "./parts/bound.js"
import { format, parse, parts } from "./parts/picks.js"
import { say } from "./parts/words.js"

const NODE = "GuidedGAN_BasisInit"
const GAP = 4
const USUAL = 5 // number of starts of a search, before it is known
const HEAD = 22 // height of a line above starts
const SMALLEST = { one: 64, several: 52 } // side of a start, for one search and for several
const HIGHEST = 640 // height beyond which the starts scroll
const DRAG = 5 // pixels that the pointer may move in a click

class Starts {
  constructor(node) {
    this.node = node
    this.found = { images: [], scores: [] } // results of the last run
    this.box = element("div", "starts")
    this.pick = new Text(node, "pick", () => this.draw())
    this.widget = place(node, "starts", this.box, (width) => this.height(width))
    chain(this.number("batch"), "callback", () => this.resized())
    chain(this.number("settings"), "callback", () => this.chosen())
    chain(node, "onConfigure", () => this.chosen())
    chain(node, "onExecuted", (output) => this.executed(output))
    node.hideOutputImages = true // the host's preview would show the same pictures again
    node.onDrawBackground = () => {}
    this.build()
  }

  number(name) {
    return this.node.widgets.find((one) => one.name === name)
  }

  /** Another option of `settings` was chosen, which may have its own `k`. */
  chosen() {
    const k = this.number("settings.k")
    if (k && k !== this.k) chain(k, "callback", () => this.resized())
    this.k = k
    this.resized()
  }

  /** The numbers of searches and of starts of each; without a `k`, as many starts as in the last run. */
  get counts() {
    return [this.number("batch").value, this.k?.value ?? this.found.k ?? USUAL]
  }

  get fits() {
    const [searches, k] = this.counts
    return this.found.images.length === searches * k
  }

  get smallest() {
    return this.counts[0] > 1 ? SMALLEST.several : SMALLEST.one
  }

  height(width) {
    const [searches, k] = this.counts
    const columns = Math.max(1, Math.min(k, Math.floor((width + GAP) / (this.smallest + GAP))))
    const side = (width - GAP * (columns - 1)) / columns
    const rows = Math.ceil(k / columns) * (side + GAP) + (searches > 1 ? HEAD : 0)
    return Math.min(HIGHEST, HEAD + searches * rows)
  }

  resized() {
    grow(this.node)
    this.build()
  }

  executed(output) {
    if (!output?.images || !output.scores) return
    this.found = { images: output.images, scores: output.scores.flat(), k: output.scores[0].length }
    this.resized()
  }

  /** Rebuild the starts after a change of their number or pictures. */
  build() {
    const [searches, k] = this.counts
    this.says = element("span", "says")
    this.all = element("button", "plain", { type: "button", textContent: say("all"), title: say("Keep all starts") })
    this.all.onclick = () => this.pick.write("")
    this.tiles = Array.from({ length: searches * k }, (_, index) => this.tile(index, (index % k) + 1))
    const rows = Array.from({ length: searches }, (_, search) => {
      const row = element("div", "tiles", {}, ...this.tiles.slice(search * k, (search + 1) * k))
      return searches > 1 ? [element("div", "label", { textContent: say("search {0}", search + 1) }), row] : [row]
    })
    this.box.style.setProperty("--smallest", `${this.smallest}px`)
    this.box.replaceChildren(element("div", "head", {}, this.says, this.all), ...rows.flat())
    this.draw()
  }

  /** One start of a search: its picture, if there is one, its number and its score. */
  tile(index, start) {
    const tile = element("button", "tile", {
      type: "button",
      title: say("Start {0}: click to pick it, drag along it for its share", start),
    })
    tile.dataset.start = start
    if (this.fits) {
      const { filename, subfolder, type } = this.found.images[index]
      const file = new URLSearchParams({ filename, subfolder, type })
      tile.append(element("img", "start", { src: api.apiURL(`/view?${file}`), alt: say("start {0}", start), draggable: false }))
      const score = this.found.scores[index]
      tile.append(element("span", "score", { textContent: score?.toFixed(this.counts[0] > 1 ? 2 : 3) ?? "" }))
      tile.title = `${say("Score {0}.", score)} ${tile.title}`
    }
    tile.append(element("span", "number", { textContent: start }), element("span", "share"))
    tile.onpointerdown = (event) => this.press(event, tile, start)
    tile.onkeydown = (event) => this.key(event, start)
    return tile
  }

  /** Show the picks in the text. */
  draw() {
    const shares = parse(this.pick.value)
    const part = parts(shares ?? new Map())
    for (const tile of this.tiles) {
      const share = part.get(Number(tile.dataset.start))
      const bar = tile.querySelector(".guided-gan-share")
      tile.setAttribute("aria-pressed", share !== undefined)
      bar.hidden = share === undefined
      bar.textContent = `${Math.round(share * 100)} %`
      bar.style.setProperty("--share", share)
    }
    this.box.classList.toggle("guided-gan-linked", this.pick.linked)
    this.all.hidden = this.pick.linked || shares?.size === 0
    this.says.textContent = this.pick.linked
      ? say("pick comes from a link")
      : shares === null
        ? say("pick cannot be read: a click begins anew")
        : shares.size
          ? say("{0} picked", shares.size)
          : this.fits
            ? say("click to pick, drag for its share")
            : say("the starts, once this has run")
  }

  /** A click picks or drops a start; dragging sets its share to the pointer's position along it. */
  press(event, tile, start) {
    if (event.button !== 0 || this.pick.linked) return
    const area = tile.getBoundingClientRect()
    let dragged = false
    const move = (moved) => {
      dragged ||= Math.abs(moved.clientX - event.clientX) > DRAG
      if (dragged) this.share(start, Math.min(1, Math.max(0.05, (moved.clientX - area.left) / area.width)))
    }
    drag(event, move, (ended) => dragged || ended.type !== "pointerup" || this.toggle(start))
  }

  key(event, start) {
    const share = parse(this.pick.value)?.get(start) ?? 1
    const step = { ArrowLeft: -0.05, ArrowRight: 0.05 }[event.key]
    if (this.pick.linked || (!step && event.key !== "Enter" && event.key !== " ")) return
    event.preventDefault()
    event.stopPropagation()
    step ? this.share(start, Math.min(1, Math.max(0.05, share + step))) : this.toggle(start)
  }

  toggle(start) {
    const shares = parse(this.pick.value) ?? new Map()
    shares.delete(start) || shares.set(start, 1)
    this.pick.write(format(shares))
  }

  share(start, share) {
    const shares = parse(this.pick.value) ?? new Map()
    this.pick.write(format(shares.set(start, Math.round(share * 20) / 20)))
  }
}

app.registerExtension({
  name: "GuidedGAN.Starts",
  nodeCreated(node) {
    if (node.comfyClass === NODE) node.guidedGanStarts = new Starts(node)
  },
  onNodeOutputsUpdated: (outputs) => executedBefore(app.graph, outputs, "guidedGanStarts"),
})
