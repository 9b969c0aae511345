"""What a workflow says of itself in `extra.guided_gan`: a short name, its prompts, and where they and the seed go.

    "name": "composition"
    "prompts": [{"name": "foreground", "about": "what stands in front"}, {"name": "background", "about": "what is
        behind"}]
    "texts": {"5.text": "{foreground}", "7.text": "{background}", "3.text": "{foreground} and {background}"}
    "seeds": {"9.seed": 0, "10.seed": 1}

An input is named by its node's id and its own name; the id is "25:5" for node 5 in the subgraph that node 25 stands
for. `texts` gives its text, with prompts by name; `seeds` what is added to the seed, so that two starts stay apart. The
editor keeps `extra` as it is.

The last prompt may be `"several": true`: it takes all further ones, a line each, and an input that it names as its
`count` gets their number.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from . import LauncherError


@dataclass(frozen=True)
class Prompt:
    """A text that the user gives.

    Attributes:
        name: how `texts` and reports call it.
        about: what it is for.
        several: whether it takes any number of texts, at least one.
        count: the input that gets this number; "" for none.
    """

    name: str
    about: str
    several: bool = False
    count: str = ""


@dataclass(frozen=True)
class Fields:
    """The prompts of a workflow, and the inputs that they and the seed go to; `run.py demo` calls it by its name."""

    name: str = ""
    prompts: Sequence[Prompt] = ()
    texts: Mapping[str, str] = field(default_factory=dict)
    seeds: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, graph: Mapping[str, Any]) -> Fields:
        """Those of a graph of the editor; one that says nothing of them has none."""
        said = dict(graph.get("extra", {}).get("guided_gan", {}))
        return cls(**{**said, "prompts": [Prompt(**prompt) for prompt in said.get("prompts", [])]})

    def fill(self, given: Sequence[str]) -> dict[str, str | int]:
        """What each input becomes with these prompts.

        Raises:
            LauncherError: they are too many or too few.
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
        """What each input becomes with this seed.

        Raises:
            LauncherError: the workflow names no input that takes it.
        """
        if not self.seeds:
            raise LauncherError(
                "this workflow does not say which of its inputs take the seed; use --set NODE.seed=N instead."
            )
        return {place: seed + offset for place, offset in self.seeds.items()}

    def described(self) -> str:
        """How many prompts there are, their names, and what each is for."""
        count = f"{len(self.prompts)} or more prompts" if self.prompts[-1].several else f"{len(self.prompts)} prompts"
        names = ", ".join(f"{prompt.name} ({prompt.about})" for prompt in self.prompts)
        return f"{'1 prompt' if count == '1 prompts' else count}: {names}"

    def read(self, prompt: Mapping[str, Any]) -> dict[str, str]:
        """The prompts by name as they stand in a prompt of the host, whoever wrote them there."""
        shown = {each.name: self._shown(each.name, prompt) for each in self.prompts}
        return {name: _find(name, template, str(text)) for name, (template, text) in shown.items()}

    def read_seed(self, prompt: Mapping[str, Any]) -> int | None:
        """The seed of a prompt of the host; None where nothing is left to chance, or another node gives it."""
        for place, offset in self.seeds.items():
            if isinstance(value := _value(place, prompt), int):
                return value - offset
        return None

    def _shown(self, name: str, prompt: Mapping[str, Any]) -> tuple[str, Any]:
        """The template that says the least besides the named prompt, and what its input holds."""
        places = [place for place, template in self.texts.items() if f"{{{name}}}" in template]
        place = min(places, key=lambda place: len(self.texts[place]))
        return self.texts[place], _value(place, prompt)


def _value(place: str, prompt: Mapping[str, Any]) -> Any:
    node, _, key = place.partition(".")
    return prompt.get(node, {}).get("inputs", {}).get(key)


def _find(name: str, template: str, text: str) -> str:
    """The part of a text that the template has for a prompt; all of the text where it was not made by the template."""
    parts = (
        f"(?P<{part[1:-1]}>.*)" if part.startswith("{") else re.escape(part) for part in re.split(r"({\w+})", template)
    )
    found = re.fullmatch("".join(parts), text, re.DOTALL)
    return found[name] if found else text
