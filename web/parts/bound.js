// Elements on a node that stand beside one of its text widgets: what is done to them is written into the text, which is
// all that is saved and queued. So a graph is the same with and without this script.

const MARGIN = 10 // that the canvas leaves around a widget of elements
const STYLE = new URL("../style.css", import.meta.url)

/** Have `after` called behind whatever `owner[name]` is now. */
export function chain(owner, name, after) {
  const before = owner[name]
  owner[name] = function (...given) {
    const result = before?.apply(this, given)
    after.apply(this, given)
    return result
  }
}

/** When the page returns to a graph that ran before: give each node's outputs to what the pack has put on it as `name`. */
export function executedBefore(graph, outputs, name) {
  for (const node of graph?.nodes ?? []) node[name]?.executed(outputs[node.id])
}

/** An element with a class of the pack's, the properties and attributes given, and children. */
export function element(tag, kind, given = {}, ...children) {
  const made = document.createElement(tag)
  made.className = `guided-gan-${kind}`
  for (const [name, value] of Object.entries(given)) name in made ? (made[name] = value) : made.setAttribute(name, value)
  made.append(...children)
  return made
}

/**
 * Put an element on a node as a widget that is neither saved nor queued.
 *
 * height: called with the element's width in the graph's units, gives its height on the canvas; Nodes 2.0 measures it.
 */
export function place(node, name, shown, height, options = {}) {
  if (!document.querySelector(`link[href="${STYLE}"]`))
    document.head.append(Object.assign(document.createElement("link"), { rel: "stylesheet", href: STYLE }))
  const { margin = MARGIN } = options
  const tall = () => height(node.size[0] - 2 * margin) + 2 * margin
  const widget = node.addDOMWidget(name, "guided_gan", shown, {
    serialize: false,
    hideOnZoom: false,
    getMinHeight: tall,
    getMaxHeight: tall,
    ...options,
  })
  widget.serialize = false
  return widget
}

/** The text widget of a node as something to read and write; `changed` is called whenever its text has changed. */
export class Text {
  constructor(node, name, changed) {
    this.node = node
    this.widget = node.widgets.find((one) => one.name === name)
    chain(this.widget, "callback", () => this.writing || changed())
    chain(node, "onConfigure", changed)
    chain(node, "onConnectionsChange", changed)
    this.changed = changed
  }

  get value() {
    return String(this.widget.value ?? "")
  }

  /** Whether a link gives the text, so that writing it is in vain. */
  get linked() {
    return this.node.inputs.some((one) => one.widget?.name === this.widget.name && one.link != null)
  }

  /** quiet: without a call of `changed`. */
  write(text, quiet = false) {
    this.writing = true
    this.widget.value = text
    this.widget.callback?.(text)
    this.writing = false
    this.node.graph?.change?.()
    this.node.setDirtyCanvas(true, true)
    if (!quiet) this.changed()
  }
}

/** Let the node be as high as its widgets now need; one that the user made higher stays. */
export function grow(node) {
  const [width, height] = node.computeSize()
  if (node.size[1] < height || node.size[0] < width)
    node.setSize([Math.max(node.size[0], width), Math.max(node.size[1], height)])
}

/**
 * Follow a drag that a pointer began: `move` is called wherever it goes, `end` once it is let go.
 *
 * On the way down: in Nodes 2.0 nothing that happens on a widget bubbles up to the window.
 */
export function drag(event, move, end = () => {}) {
  event.preventDefault()
  const kinds = ["pointerup", "pointercancel"]
  const done = (ended) => {
    window.removeEventListener("pointermove", move, true)
    for (const kind of kinds) window.removeEventListener(kind, done, true)
    end(ended)
  }
  window.addEventListener("pointermove", move, true)
  for (const kind of kinds) window.addEventListener(kind, done, true)
}
