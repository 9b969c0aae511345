// What the pack's own elements say, in the page's language: the texts of `locales/LANGUAGE/main.json` under guidedGan, each
// by its English text, which also stands in for one that is missing.

import { app } from "../../../scripts/app.js"
import { api } from "../../../scripts/api.js"

const LANGUAGE = app.ui.settings.getSettingValue("Comfy.Locale") ?? "en"
const TEXTS = await api
  .fetchApi("/i18n")
  .then((answer) => answer.json())
  .then((languages) => languages[LANGUAGE]?.guidedGan ?? languages[LANGUAGE.split("-")[0]]?.guidedGan ?? {})
  .catch(() => ({}))

/** A text in the page's language, with values in the place of {0}, {1}, ... */
export function say(text, ...values) {
  return (TEXTS[text] ?? text).replace(/\{(\d)\}/g, (_, index) => values[index])
}
