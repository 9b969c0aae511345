// The host's Compare Images has a slider in Nodes 2.0 only; this adds one on the canvas, in place of its line of text.

import { app } from "../../scripts/app.js"
import { api } from "../../scripts/api.js"
import { chain, element, place } from "./parts/bound.js"
import { say } from "./parts/words.js"

const SMALLEST = 200 // height of the pictures

class Compare {
  constructor(node, own) {
    own.hidden = true // the line of text; has no effect in Nodes 2.0
    this.pairs = []
    this.says = element("span", "says", { textContent: say("before and after, once this has run") })
    this.box = element("div", "compare", { tabIndex: 0, title: say("Before to the left of the pointer, after to its right") })
    this.box.onpointermove = (event) => this.slide(event)
    this.box.onclick = () => this.show((this.shown + 1) % this.pairs.length)
    this.box.append(this.says)
    place(node, "slider", this.box, () => SMALLEST, { canvasOnly: true, getMaxHeight: undefined })
    chain(node, "onExecuted", (output) => this.executed(output))
  }

  executed({ a_images: before = [], b_images: after = [] }) {
    const count = Math.max(before.length, after.length)
    const of = (pictures, i) => pictures[Math.min(i, pictures.length - 1)] // a single picture is compared with all others
    this.pairs = Array.from({ length: count }, (_, i) => [of(before, i), of(after, i)])
    if (count) this.show(0)
  }

  show(index) {
    this.shown = index
    const [before, after] = (this.pairs[index] ?? []).map((file, i) => file && this.picture(file, ["before", "after"][i]))
    this.says.textContent = this.pairs.length > 1 ? say("{0} of {1}", index + 1, this.pairs.length) : ""
    this.box.replaceChildren(...[after, before].filter(Boolean), element("div", "line"), this.says)
  }

  picture({ filename, subfolder, type }, which) {
    const file = new URLSearchParams({ filename, subfolder, type })
    return element("img", which, { src: api.apiURL(`/view?${file}`), alt: which, draggable: false })
  }

  slide(event) {
    const area = this.box.getBoundingClientRect()
    this.box.style.setProperty("--at", `${(100 * (event.clientX - area.left)) / area.width}%`)
  }
}

app.registerExtension({
  name: "GuidedGAN.Compare",
  nodeCreated(node) {
    const own = node.comfyClass === "ImageCompare" && node.widgets?.find((one) => one.type === "imagecompare")
    if (own) new Compare(node, own)
  },
})
