"""A workflow's own description in `extra.guided_gan`: a short name, its prompts, and the inputs for them and the seed.

    "name": "composition"
    "prompts": [{"name": "foreground", "about": "what stands in front"}, {"name": "background", "about": "what is
        behind"}]
    "texts": {"5.text": "{foreground}", "7.text": "{background}", "3.text": "{foreground} and {background}"}
    "seeds": {"9.seed": 0, "10.seed": 1}

Inputs are given as "node.input"; the id of node 5 in the subgraph of node 25 is "25:5". `texts` has templates of texts
with the names of prompts; `seeds` has offsets that are added to the seed, so that two starts differ. The editor keeps
`extra` unchanged.

The last prompt may be `"several": true`: it takes all remaining texts, a line each, and the input in its `count`, if
given, is set to their number.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from . import LauncherError


@dataclass(frozen=True)
class Prompt:
    """A text that the user provides.

    Attributes:
        name: in `texts` and reports.
        about: a description.
        several: whether it takes any number of texts, at least one.
        count: the input that is set to this number; "" for none.
    """

    name: str
    about: str
    several: bool = False
    count: str = ""


@dataclass(frozen=True)
class Fields:
    """The prompts of a workflow, and the inputs for them and the seed. name: the workflow's name in `run.py demo`."""

    name: str = ""
    prompts: Sequence[Prompt] = ()
    texts: Mapping[str, str] = field(default_factory=dict)
    seeds: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, graph: Mapping[str, Any]) -> Fields:
        """The fields of a graph of the editor; empty if it does not describe any."""
        said = dict(graph.get("extra", {}).get("guided_gan", {}))
        return cls(**{**said, "prompts": [Prompt(**prompt) for prompt in said.get("prompts", [])]})

    def fill(self, given: Sequence[str]) -> dict[str, str | int]:
        """The values of inputs for these prompts.

        Raises:
            LauncherError: there are too many or too few.
        """
        if not self.prompts:
            raise LauncherError(
                "this workflow does not say which of its inputs are prompts; leave the prompt out, and use --set "
                "instead."
            )
        repeats = self.prompts[-1].several
        if len(given) < len(self.prompts) or (len(given) > len(self.prompts) and not repeats):
            raise LauncherError(f"this workflow takes {self.described()}; got {len(given)}.")
        last = len(self.prompts) - 1
        each = [*given[:last], "\n".join(given[last:])]
        values = {prompt.name: text for prompt, text in zip(self.prompts, each, strict=True)}
        inputs: dict[str, str | int] = {place: template.format(**values) for place, template in self.texts.items()}
        if count := self.prompts[-1].count:
            inputs[count] = len(given) - last
        return inputs

    def seeded(self, seed: int) -> dict[str, int]:
        """The values of inputs for this seed.

        Raises:
            LauncherError: the workflow names no input for it.
        """
        if not self.seeds:
            raise LauncherError(
                "this workflow does not say which of its inputs take the seed; use --set NODE.seed=N instead."
            )
        return {place: seed + offset for place, offset in self.seeds.items()}

    def described(self) -> str:
        """The number of prompts, their names and descriptions, as text."""
        count = f"{len(self.prompts)} or more prompts" if self.prompts[-1].several else f"{len(self.prompts)} prompts"
        names = ", ".join(f"{prompt.name} ({prompt.about})" for prompt in self.prompts)
        return f"{'1 prompt' if count == '1 prompts' else count}: {names}"

    def read(self, prompt: Mapping[str, Any]) -> dict[str, str]:
        """The prompts by name, read from the inputs in a prompt of the host."""
        shown = {each.name: self._shown(each.name, prompt) for each in self.prompts}
        return {name: _find(name, template, str(text)) for name, (template, text) in shown.items()}

    def read_seed(self, prompt: Mapping[str, Any]) -> int | None:
        """The seed in a prompt of the host; None if the workflow has none, or it comes from a link."""
        for place, offset in self.seeds.items():
            if isinstance(value := _value(place, prompt), int):
                return value - offset
        return None

    def _shown(self, name: str, prompt: Mapping[str, Any]) -> tuple[str, Any]:
        """The shortest template with the named prompt, and the value of its input."""
        places = [place for place, template in self.texts.items() if f"{{{name}}}" in template]
        place = min(places, key=lambda place: len(self.texts[place]))
        return self.texts[place], _value(place, prompt)


def _value(place: str, prompt: Mapping[str, Any]) -> Any:
    node, _, key = place.partition(".")
    return prompt.get(node, {}).get("inputs", {}).get(key)


def _find(name: str, template: str, text: str) -> str:
    """The part of a text that the template has for a prompt; the whole text if it does not match the template."""
    parts = (
        f"(?P<{part[1:-1]}>.*)" if part.startswith("{") else re.escape(part) for part in re.split(r"({\w+})", template)
    )
    found = re.fullmatch("".join(parts), text, re.DOTALL)
    return found[name] if found else text
