// Nodes with several prompts show each in a row, with a weight and a switch. The rows are written into the node's text;
// prompts that are switched off are kept in the node's properties instead.

import { app } from "../../scripts/app.js"
import { Text, element, grow, place } from "./parts/bound.js"
import { FORMS, MOST_WEIGHT, are, format, parse } from "./parts/prompts.js"
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
    this.rows = this.read()
    this.widget = place(node, "rows", this.box, () => (this.text.linked ? 0 : ROW * (this.shown.length + 1)), {
      margin: MARGIN,
    })
    this.changed()
  }

  /** Read all prompts in order: those of the text, and those that are off at their index. */
  read() {
    const rows = parse(this.text.value, this.form).map((prompt) => ({ ...prompt, on: true }))
    for (const { at, ...prompt } of this.node.properties[OFF] ?? []) rows.splice(at, 0, { ...prompt, on: false })
    return rows
  }

  /** The rows; none for a single prompt that is on, which the text itself shows. */
  get shown() {
    return this.rows.length < 2 && this.rows.every(({ on }) => on) ? [] : this.rows
  }

  changed() {
    this.rows = this.read()
    const more = element("button", "plain", { type: "button", textContent: say("+ prompt"), title: say("Another prompt") })
    more.onclick = () => this.add()
    const all = [...this.shown.map((row) => this.row(row)), element("div", "head", {}, more)]
    this.box.replaceChildren(...(this.text.linked ? [] : all)) // a linked text cannot be changed
    grow(this.node)
  }

  /** Add a prompt, and select its text. */
  add() {
    this.write([...this.rows, { says: "another prompt", weight: 1, on: true }])
    ;[...this.box.querySelectorAll(".guided-gan-text")].at(-1)?.select()
  }

  row(prompt) {
    const { says, weight, on } = prompt
    const alone = on && this.rows.filter((row) => row.on).length === 1 // which keeps the text from being empty
    const edit = (change) => {
      Object.assign(prompt, change, { part: undefined }) // which no longer fits
      this.write(this.rows, true)
    }
    const active = element("input", "on", { type: "checkbox", checked: on, disabled: alone, title: say("Whether it counts") })
    active.onchange = () => this.replace(prompt, { ...prompt, on: active.checked })
    const line = says.replace(/\s+/g, " ") // an input would drop line breaks
    const text = element("input", "text", { type: "text", value: line, title: line, spellcheck: false })
    text.oninput = () => edit({ says: text.value.trim() })
    text.onchange = () => this.settle(prompt)
    const drop = element("button", "plain", { type: "button", textContent: "×", title: say("Take it away"), disabled: alone })
    drop.onclick = () => this.replace(prompt)
    const row = element("div", "row", {}, active, text)
    if (this.form.weights) {
      const bounds = { min: -MOST_WEIGHT, max: MOST_WEIGHT }
      const number = element("input", "weight", { type: "number", step: 0.05, ...bounds, value: weight, title: say("Weight") })
      const given = () => Number(number.value)
      number.oninput = () => given() && Math.abs(given()) <= MOST_WEIGHT && edit({ weight: given() })
      number.onchange = () => (number.value = prompt.weight) // what counts, where it was none
      row.append(number)
    }
    row.classList.toggle("guided-gan-off", !on)
    row.append(drop)
    for (const field of row.children) field.onkeydown = (event) => event.stopPropagation()
    return row
  }

  /** Read the notation that was typed into a row, such as a weight or further prompts. */
  settle(prompt) {
    const read = parse(format([prompt], this.form), this.form)
    if (!are(read, prompt)) this.replace(prompt, ...read.map((one) => ({ ...one, on: prompt.on })))
  }

  /** Put others in the place of a prompt. */
  replace(prompt, ...others) {
    this.write(this.rows.flatMap((one) => (one === prompt ? others : [one])))
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
