// Nodes with several prompts show each in a row, with a weight and a switch. The rows are written into the node's text;
// prompts that are switched off are kept in the node's properties instead.

import { app } from "../../scripts/app.js"
import { Text, element, grow, place } from "./parts/bound.js"
import { FORMS, format, parse } from "./parts/prompts.js"
import { say } from "./parts/words.js"

const NODES = {
  GuidedGAN_EncodeText: ["text", FORMS.bars],
  GuidedGAN_StyleGANTSample: ["prompts", FORMS.lines],
  GuidedGAN_EditLatent: ["prompts", FORMS.lines],
  GuidedGAN_Interpolate: ["prompts", FORMS.lines],
  GuidedGAN_ClassLatent: ["classes", FORMS.weighedLines],
}
const OFF = "guided_gan.off" // property with the prompts that are off, each with its index among all
const ROW = 26
const MARGIN = 6

class Prompts {
  constructor(node, name, form) {
    this.node = node
    this.form = form
    this.box = element("div", "prompts")
    this.text = new Text(node, name, () => this.changed())
    this.widget = place(node, "rows", this.box, () => (this.text.linked ? 0 : ROW * (this.shown.length + 1)), {
      margin: MARGIN,
    })
    this.changed()
  }

  /** All prompts in order: those of the text, and those that are off at their index. */
  get rows() {
    const rows = parse(this.text.value, this.form).map((prompt) => ({ ...prompt, on: true }))
    for (const { at, ...prompt } of this.node.properties[OFF] ?? []) rows.splice(at, 0, { ...prompt, on: false })
    return rows
  }

  /** The rows; none for a single prompt that is on, which the text itself shows. */
  get shown() {
    const rows = this.rows
    return rows.length < 2 && rows.every(({ on }) => on) ? [] : rows
  }

  changed() {
    const rows = this.shown
    const more = element("button", "plain", { type: "button", textContent: say("+ prompt"), title: say("Another prompt") })
    more.onclick = () => this.add()
    const all = [...rows.map((row, i) => this.row(row, i, rows)), element("div", "head", {}, more)]
    this.box.replaceChildren(...(this.text.linked ? [] : all)) // a linked text cannot be changed
    grow(this.node)
  }

  /** Add a prompt, and select its text. */
  add() {
    this.write([...this.rows, { says: "another prompt", weight: 1, on: true }])
    ;[...this.box.querySelectorAll(".guided-gan-text")].at(-1)?.select()
  }

  row({ says, weight, on }, index, rows) {
    const alone = on && rows.filter((row) => row.on).length === 1 // cannot be switched off: the text would be empty
    const set = (change, quiet) => this.write(this.rows.map((row, i) => (i === index ? { ...row, ...change } : row)), quiet)
    const active = element("input", "on", { type: "checkbox", checked: on, disabled: alone, title: say("Whether it counts") })
    active.onchange = () => set({ on: active.checked })
    const text = element("input", "text", { type: "text", value: says, title: says, spellcheck: false })
    text.oninput = () => set({ says: text.value }, true)
    text.onchange = () => this.rows.length === rows.length || this.changed() // several prompts may have been pasted
    const drop = element("button", "plain", { type: "button", textContent: "×", title: say("Take it away"), disabled: alone })
    drop.onclick = () => this.write(this.rows.filter((_, i) => i !== index))
    const row = element("div", "row", {}, active, text)
    if (this.form.weights) {
      const number = element("input", "weight", { type: "number", step: 0.05, min: -10, max: 10, value: weight, title: say("Weight") })
      number.oninput = () => Number(number.value) && set({ weight: Number(number.value) }, true)
      row.append(number)
    }
    row.classList.toggle("guided-gan-off", !on)
    row.append(drop)
    for (const field of row.children) field.onkeydown = (event) => event.stopPropagation()
    return row
  }

  /** Write prompts that are on into the text, others into the property. quiet: keep the rows, while one is edited. */
  write(rows, quiet = false) {
    const off = rows.flatMap(({ on, ...prompt }, at) => (on ? [] : [{ at, ...prompt }]))
    if (off.length) this.node.properties[OFF] = off
    else delete this.node.properties[OFF]
    this.text.write(format(rows.filter(({ on }) => on), this.form), quiet)
  }
}

app.registerExtension({
  name: "GuidedGAN.Prompts",
  nodeCreated(node) {
    if (node.comfyClass in NODES) new Prompts(node, ...NODES[node.comfyClass])
  },
})
