// Nodes with a search show scores and the time left while they run; a button ends the search with the best result so
// far. The host sends the scores (`nodes/live.py`), and handles the button's request (`nodes/finish.py`).

import { app } from "../../scripts/app.js"
import { api } from "../../scripts/api.js"
import "./placement.js" // registered first: the host loads scripts in any order, and its drawing area goes above the scores
import { chain, element, executedBefore, grow, place } from "./parts/bound.js"
import { INKS, draw, tidy } from "./parts/chart.js"
import { say } from "./parts/words.js"

const NODES = ["GuidedGAN_Optimize", "GuidedGAN_ComposeOptimize", "GuidedGAN_Invert", "GuidedGAN_Animate", "GuidedGAN_RestyleVideo"]
const EVENT = "guided_gan.search"
const FINISH = "/guided_gan/finish"
const HEIGHT = { head: 24, chart: 130, legend: 18 }
const NOTHING = { steps: [], scores: {}, kept: [], best: {} }

class Scores {
  constructor(node) {
    this.curve = NOTHING
    this.told = null // the last message of the search
    this.says = element("span", "says", { textContent: say("scores, while it searches") })
    this.button = element("button", "plain", {
      type: "button",
      textContent: say("Finish now"),
      title: say("End the search and hand the best so far on to the rest of the graph"),
      hidden: true,
    })
    this.button.onclick = () => this.finish()
    this.chart = document.createElementNS("http://www.w3.org/2000/svg", "svg")
    this.legend = element("div", "legend")
    const head = element("div", "head", {}, this.says, this.button)
    this.box = element("div", "search", {}, head, this.chart, this.legend)
    place(node, "scores", this.box, () => HEIGHT.head + HEIGHT.chart + HEIGHT.legend)
    grow(node)
    new ResizeObserver(() => this.draw()).observe(this.box)
    chain(node, "onExecuted", (output) => this.executed(output))
  }

  /** Show a message of a running search. */
  tell(told) {
    if (told.prompt_id !== this.told?.prompt_id || !told.going) this.asked = false
    this.told = told
    this.button.hidden = !told.going
    this.button.disabled = this.asked
    const timed = told.going && told.left !== null
    const step = timed ? "step {0} of {1}, {2} left" : "step {0} of {1}"
    this.says.textContent = this.asked ? say("finishing") : say(step, told.done, told.total, timed && inWords(told.left))
    this.show(told.curve)
  }

  /** Show the curve of a search that has ended. */
  executed(output) {
    if (output?.curve) this.show(output.curve[0])
  }

  /** Draw a curve, or none. */
  show(curve) {
    this.curve = curve ?? NOTHING
    this.draw()
  }

  draw() {
    const width = this.box.clientWidth
    if (!width) return
    const last = this.told?.going ? this.told.total : (this.curve.steps.at(-1) ?? 1)
    draw(this.chart, this.curve, last, width, HEIGHT.chart, { across: say("step"), up: say("score") })
    const entries = Object.keys(this.curve.scores).map((name, i) => {
      const value = this.curve.best[name] ?? this.curve.scores[name].at(-1)
      const shown = element("span", "entry", { textContent: `${name} ${value == null ? say("none") : tidy(value)}` })
      shown.style.color = INKS[i % INKS.length]
      return shown
    })
    this.legend.title = say("What the best picture so far scores")
    this.legend.replaceChildren(...entries)
  }

  /** Request the host to end this search. */
  async finish() {
    const { prompt_id, node } = this.told
    this.asked = this.button.disabled = true
    this.says.textContent = say("finishing")
    const answer = await api
      .fetchApi(FINISH, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ prompt_id, node }),
      })
      .catch((error) => ({ ok: false, json: async () => ({ error: error.message }) }))
    if (answer.ok) return
    this.asked = this.button.disabled = false
    this.says.textContent = (await answer.json().catch(() => ({}))).error ?? say("The host did not take the request.")
  }
}

function inWords(seconds) {
  if (seconds < 100) return say("{0} s", Math.round(seconds))
  return seconds < 6000 ? say("{0} min", Math.round(seconds / 60)) : say("{0} h", Math.round(seconds / 3600))
}

/** The node of a message, unless another graph is open; "5:3" is node 3 of the subgraph that node 5 stands for. */
function nodeOf({ workflow, display_node }) {
  const root = app.rootGraph ?? app.graph
  if (workflow && workflow !== root.id) return null
  const ids = display_node.split(":")
  const graph = ids.slice(0, -1).reduce((graph, id) => graph?.getNodeById(id)?.subgraph, root)
  return graph?.getNodeById(ids.at(-1))
}

app.registerExtension({
  name: "GuidedGAN.Search",
  setup() {
    api.addEventListener(EVENT, ({ detail }) => nodeOf(detail)?.guidedGanScores?.tell(detail))
  },
  nodeCreated(node) {
    if (NODES.includes(node.comfyClass)) node.guidedGanScores = new Scores(node)
  },
  onNodeOutputsUpdated: (outputs) => executedBefore(app.graph, outputs, "guidedGanScores"),
})
