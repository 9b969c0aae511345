"""A node's settings: what suits the generator, a published set, or each number by hand, with the older graphs' fields.

Graphs saved before there was a choice have the fields of `by hand` alone, as inputs of the node itself.
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
Given = Mapping[str, Any] | str | None  # what the host gives for the menu: a link brings the choice alone


class Menu:
    """A node's choice of one section of the settings.

    Args:
        section: its name in `Settings`.
        by_hand: an input for each field of the section that can be set by hand, and for what else goes with them.
        published: the sets that can be chosen, by name.
        composed: whether a composition's settings can be chosen, too.
    """

    def __init__(
        self, section: str, by_hand: Sequence[Any], published: Mapping[str, Settings], *, composed: bool = False
    ) -> None:
        self._section, self._by_hand, self._published = section, by_hand, published
        self._choices = [SUITS, *([COMPOSED] if composed else []), *published]

    @property
    def input(self) -> io.DynamicCombo.Input:
        """The menu, whose option `by hand` alone has fields."""
        options = [io.DynamicCombo.Option(name, []) for name in self._choices]
        return io.DynamicCombo.Input(
            ID,
            options=[*options, io.DynamicCombo.Option(BY_HAND, list(self._by_hand))],
            tooltip=f"'{SUITS}': what the generator's family takes, or what its file says; the node shows what that "
            f"comes to. Or as published. '{BY_HAND}': each number yourself.",
        )

    def defaults(self) -> dict[str, Any]:
        """What the fields of `by hand` hold at first."""
        return {one.id: one.default for one in self._by_hand}

    def choose(self, given: Given, older: Mapping[str, Any]) -> Choice:
        """What the host gives for the menu, and for inputs that the node no longer has.

        Raises:
            PackError: a value that its input does not allow.
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
    """What was chosen in a menu.

    key: the option. section: as in `Menu`. by_hand: the values that are set by hand; beside another option than that,
    those of an older graph's inputs. published: what the option stands for, None for the generator's own.
    """

    key: str
    section: str
    by_hand: Mapping[str, Any]
    published: Settings | None

    def of(self, own: Settings) -> Any:
        """The section, for a generator of these settings."""
        section = getattr(self.published or self.along(own), self.section)
        known = {field.name for field in fields(section)}
        return replace(section, **{name: value for name, value in self.by_hand.items() if name in known})

    def along(self, own: Settings) -> Settings:
        """A generator's settings for what a search takes along: those of a composition, if these were chosen."""
        return own.composed if self.key == COMPOSED else own

    def says(self, section: object, further: Sequence[str] = ()) -> str:
        """What the choice came to, in a line, and further lines."""
        return "\n".join([f"{self.key}: {in_words(section)}", *further])

    def loss(self, name: str, make: Callable[[Settings], Loss], node_id: str | None) -> io.NodeOutput:
        """The output of a node that makes a loss of the section, now or once the generator is known."""
        if self.published is None:
            make(Settings())  # what is wrong with any numbers is said by this node
            host.say(LATER, node_id)
            return io.NodeOutput(ByGenerator(name, make, lambda own: in_words(self.of(own))))
        host.say(self.says(self.of(Settings())), node_id)
        return io.NodeOutput(make(Settings()))


def bound(loss: Loss, own: Settings) -> tuple[Loss, list[str]]:
    """A loss as a generator's settings have it, and a line for each of its terms that was left to them."""
    return suited(loss, own), [f"{term.name}: {term.says(own)}" for term in waiting(loss)]
