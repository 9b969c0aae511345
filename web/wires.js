// Colours for links of the pack's types, on the canvas and in Nodes 2.0. Without this file they are grey.
import { app } from "../../scripts/app.js"

const COLOURS = {
  GAN_GENERATOR: "#8c6bd8",
  GAN_LATENT: "#e58bd0",
  GAN_BASIS: "#c2459b",
  CLIP_JOINT: "#e3b505",
  CLIP_TARGET: "#f28c28",
  GUIDANCE_LOSS: "#e5484d",
  SCORE_CURVE: "#2bb3a3",
}

// A colour palette of the page sets the colours of all types, and clears those that it does not name: keep these then.
function keep(table, type, colour) {
  let chosen = ""
  Object.defineProperty(table, type, {
    enumerable: true,
    configurable: true,
    get: () => chosen || colour,
    set: value => { chosen = value },
  })
}

app.registerExtension({
  name: "guided_gan.wires",
  setup() {
    const style = document.createElement("style")
    const rules = Object.entries(COLOURS).map(([type, colour]) => `--color-datatype-${type}: ${colour};`)
    style.textContent = `:root { ${rules.join(" ")} }`
    document.head.append(style)
    for (const table of [app.canvas.default_connection_color_byType, app.canvas.constructor.link_type_colors])
      for (const [type, colour] of Object.entries(COLOURS)) keep(table, type, colour)
    app.canvas.setDirty(true, true)
  },
})
