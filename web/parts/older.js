// Conversion of graphs from before nodes had `settings`, when the fields of "by hand" were widgets of the node itself.

export const BY_HAND = "by hand"
const SETTINGS = "settings"
const CONTROLS = ["fixed", "increment", "decrement", "randomize"] // saved after a seed
const WIDGETS = ["INT", "FLOAT", "STRING", "BOOLEAN", "COMBO"]
const DYNAMIC = "COMFY_DYNAMICCOMBO_V3"

const isWidget = ([kind, options]) =>
  !options?.forceInput && (Array.isArray(kind) || kind === DYNAMIC || WIDGETS.includes(kind))

/** The fields of "by hand" in a node's definition, as {required, optional}; undefined for nodes without settings. */
export function byHand(definition) {
  const options = definition.input?.required?.[SETTINGS]?.[1]?.options
  return options?.find((option) => option.key === BY_HAND)?.inputs
}

/** Name and definition of each widget in the page's order; a dynamic combo is followed by those of its chosen option. */
function* widgets({ required = {}, optional = {} }, chosen, prefix = "") {
  for (const [name, spec] of [...Object.entries(required), ...Object.entries(optional)]) {
    if (!isWidget(spec)) continue
    yield [prefix + name, spec]
    if (spec[0] !== DYNAMIC) continue
    const option = spec[1].options.find((one) => one.key === chosen(prefix + name))
    if (option) yield* widgets(option.inputs, chosen, `${prefix}${name}.`)
  }
}

/** The inputs before the change: the required fields of "by hand" instead of `settings`, the optional ones at the end. */
function inputsBefore({ required, optional }, fields) {
  const before = Object.entries(required).flatMap((one) => (one[0] === SETTINGS ? Object.entries(fields.required ?? {}) : [one]))
  return { required: Object.fromEntries(before), optional: { ...optional, ...fields.optional } }
}

/** The saved values of widgets by name, and control words of seeds by the seed's name. */
function read(saved, inputs) {
  const values = saved.widgets_values
  const found = new Map()
  const controls = new Map()
  let place = 0
  for (const [name, spec] of widgets(inputs, (combo) => found.get(combo))) {
    if (place >= values.length) break
    found.set(name, values[place++])
    if (spec[1]?.control_after_generate && CONTROLS.includes(values[place])) controls.set(name, values[place++])
  }
  return { found, controls }
}

/** Whether a node was saved before it had settings, judged by the names of its widgets, or by their values. */
function isOlder(saved, { input }, fields) {
  const names = (saved.inputs ?? []).map((one) => one.widget?.name).filter(Boolean)
  const own = { ...fields.required, ...fields.optional }
  if (names.includes(SETTINGS)) return false
  if (names.some((name) => name in own)) return true
  const { found } = read(saved, input)
  const keys = input.required[SETTINGS][1].options.map((option) => option.key)
  return found.has(SETTINGS) && !keys.includes(found.get(SETTINGS))
}

/** The saved data of a node in today's format: settings "by hand" with the saved values of its fields. */
export function migrated(saved, definition) {
  const fields = byHand(definition)
  if (!fields || !Array.isArray(saved.widgets_values) || !isOlder(saved, definition, fields)) return saved
  const { found, controls } = read(saved, inputsBefore(definition.input, fields))
  const own = { ...fields.required, ...fields.optional }
  const prefix = `${SETTINGS}.`
  const chosen = (combo) => (combo === SETTINGS ? BY_HAND : found.get(combo))
  const values = []
  for (const [name, [kind, options]] of widgets(definition.input, chosen)) {
    const before = name.startsWith(prefix) ? name.slice(prefix.length) : name
    const first = options?.default ?? (Array.isArray(kind) ? kind[0] : options?.options?.[0])
    values.push(name === SETTINGS ? BY_HAND : (found.has(before) ? found.get(before) : (first?.key ?? first)))
    if (options?.control_after_generate) values.push(controls.get(before) ?? "fixed")
  }
  const inputs = saved.inputs?.map((one) =>
    one.widget?.name in own
      ? { ...one, name: prefix + one.widget.name, widget: { ...one.widget, name: prefix + one.widget.name } }
      : one,
  )
  return { ...saved, inputs, widgets_values: values }
}
