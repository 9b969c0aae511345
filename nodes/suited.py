"""The menu of a node's settings: those that suit the generator, published ones, or each number set by hand.

Graphs from before this menu have the fields of "by hand" as inputs of the node itself; these are still accepted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from comfy_api.latest import io

from ..core.losses.by_generator import ByGenerator, suited, waiting
from ..core.settings import Settings, in_words
from ..core.types import Loss
from . import checks, host

ID = "settings"
SUITS, COMPOSED, BY_HAND = "suits the generator", "suits the generator, in a composition", "by hand"
LATER = "By the generator: set when a search or Basis Init uses this loss."
Given = Mapping[str, Any] | str | None  # the menu's value from the host; from a link, the key alone


class Menu:
    """A node's menu for a section of the settings.

    Args:
        section: name of the section in `Settings`.
        by_hand: inputs of the option "by hand": fields of the section, and others that belong to them.
        published: published settings by name.
        composed: whether to offer a composition's settings too.
    """

    def __init__(
        self, section: str, by_hand: Sequence[Any], published: Mapping[str, Settings], *, composed: bool = False
    ) -> None:
        self._section, self._by_hand, self._published = section, by_hand, published
        self._choices = [SUITS, *([COMPOSED] if composed else []), *published]

    @property
    def input(self) -> io.DynamicCombo.Input:
        """The menu as an input; only its option "by hand" has fields."""
        options = [io.DynamicCombo.Option(name, []) for name in self._choices]
        return io.DynamicCombo.Input(
            ID,
            options=[*options, io.DynamicCombo.Option(BY_HAND, list(self._by_hand))],
            tooltip=f"'{SUITS}': settings of the generator's family, or of the file beside its weights; the node "
            f"shows them. Or published settings. '{BY_HAND}': set each number.",
        )

    def defaults(self) -> dict[str, Any]:
        """The default values of the fields of "by hand"."""
        return {one.id: one.default for one in self._by_hand}

    def choose(self, given: Given, older: Mapping[str, Any]) -> Choice:
        """The choice for the menu's value, and for values of inputs of older graphs.

        Raises:
            PackError: an input does not allow its value.
        """
        own = given if isinstance(given, Mapping) else {}
        names = self.defaults()
        values = {name: source[name] for source in (own, older) for name in names if source.get(name) is not None}
        for one in self._by_hand:
            if one.id in values:
                checks.check(one, values[one.id])
        key = (given.get(ID) if isinstance(given, Mapping) else given) or BY_HAND
        if key == BY_HAND:
            return Choice(key, self._section, {**names, **values}, Settings())
        return Choice(key, self._section, values, self._published.get(key))


@dataclass(frozen=True)
class Choice:
    """A choice in a menu.

    key: of the option. section: as in `Menu`. by_hand: values of the fields of "by hand"; with another option, those of
    an older graph's inputs, which override it. published: the settings of the option, None for the generator's own.
    """

    key: str
    section: str
    by_hand: Mapping[str, Any]
    published: Settings | None

    def of(self, own: Settings) -> Any:
        """The section of the chosen settings, for a generator with settings `own`."""
        section = getattr(self.published or self.along(own), self.section)
        known = {field.name for field in fields(section)}
        return replace(section, **{name: value for name, value in self.by_hand.items() if name in known})

    def along(self, own: Settings) -> Settings:
        """The generator's settings that apply to this search: those for compositions, if they were chosen."""
        return own.composed if self.key == COMPOSED else own

    def says(self, section: object, further: Sequence[str] = ()) -> str:
        """The chosen settings as a line of text, and further lines."""
        return "\n".join([f"{self.key}: {in_words(section)}", *further])

    def loss(self, name: str, make: Callable[[Settings], Loss], node_id: str | None) -> io.NodeOutput:
        """The output of a node that makes a loss from the section, now or once the generator is known."""
        if self.published is None:
            make(Settings())  # so that errors that do not depend on the settings are raised by this node
            host.say(LATER, node_id)
            return io.NodeOutput(ByGenerator(name, make, lambda own: in_words(self.of(own))))
        host.say(self.says(self.of(Settings())), node_id)
        return io.NodeOutput(make(Settings()))


def bound(loss: Loss, own: Settings) -> tuple[Loss, list[str]]:
    """A loss with a generator's settings applied (`suited`), and a line for each term that depends on them."""
    return suited(loss, own), [f"{term.name}: {term.says(own)}" for term in waiting(loss)]
