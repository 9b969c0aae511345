// Elements on a node that edit one of its text widgets. Only the text is saved and queued, so that a graph is the same
// with and without this script.

const MARGIN = 10 // of the canvas around a DOM widget
const STYLE = new URL("../style.css", import.meta.url)

/** Replace `owner[name]` by a function that calls it and then `after`. */
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
 * height: width of the element in graph units -> its height on the canvas; Nodes 2.0 measures it instead.
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

/** Reads and writes a text widget of a node; `changed` is called whenever the text has changed. */
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

  /** Whether the text comes from a link, so that writing it has no effect. */
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

/** Enlarge the node to the size that its widgets need; a node that is larger keeps its size. */
export function grow(node) {
  const [width, height] = node.computeSize()
  if (node.size[1] < height || node.size[0] < width)
    node.setSize([Math.max(node.size[0], width), Math.max(node.size[1], height)])
}

/**
 * Follow a drag from a pointer event on: `move` is called for each movement, `end` once the pointer is released.
 *
 * Listeners capture: in Nodes 2.0, events on a widget do not bubble up to the window.
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
