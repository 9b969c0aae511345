// Converts graphs that were saved before nodes had `settings`: these are set "by hand" to the saved values.

import { app } from "../../scripts/app.js"
import { byHand, migrated } from "./parts/older.js"

app.registerExtension({
  name: "GuidedGAN.Older",
  beforeRegisterNodeDef(type, definition) {
    if (!definition.name.startsWith("GuidedGAN_") || !byHand(definition)) return
    const configure = type.prototype.configure
    type.prototype.configure = function (saved) {
      return configure.call(this, migrated(saved, definition))
    }
  },
})
