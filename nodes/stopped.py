"""Saves the state of searches, to resume them, and the results of a search that is interrupted or fails."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from comfy_api.latest import io
from torch import Tensor

from ..core.errors import IdentityError, PackError
from ..core.files import latent_files
from ..core.files.shelf import Shelf, discard
from ..core.results import Film, State
from ..core.types import Latent
from . import host

MOST_BYTES = 2 * 10**9  # limit for the states of all searches
DAYS = 30  # after which an unused state is removed
FOLDER = "gan_stopped"  # of saved pictures, in the output folder

HELP = f"Its state is kept for {DAYS} days after its last use, {MOST_BYTES // 10**9} GB for all searches."
HIDDEN = [
    io.Hidden.unique_id,
    io.Hidden.prompt,
    io.Hidden.extra_pnginfo,
]  # hidden inputs of a node that uses `Kept`

Kind = TypeVar("Kind", State, Film)
_ENDED = "ended"  # in the recipe of a state with nothing left to do
_UNITS = {State: "step", Film: "frame"}  # of progress


@dataclass(frozen=True)
class Found:
    """Results of a search to save for the user: latents, by the suffix of their file name, and pictures."""

    latents: Mapping[str, Latent]
    images: Tensor


class Kept(contextlib.ExitStack, Generic[Kind]):
    """The saved states of a search, by its key; a context for the duration of the search.

    While it is open, no other process removes the state from which the search was resumed.
    """

    def __init__(self, kind: type[Kind], key: Callable[[], str]) -> None:
        super().__init__()
        self._kind, self._shelf = kind, Shelf(host.cache_folder("stopped"), MOST_BYTES, DAYS)
        try:
            self.key, self._problem = key(), ""
        except IdentityError as error:
            self.key, self._problem = "", str(error)

    def furthest(self, end: int, *, ended: bool = False) -> tuple[Kind, Mapping[str, object]] | None:
        """The state with the most progress up to `end`, and its recipe; None without one.

        ended: whether that of a search that ended there counts, too.
        """
        for reached in sorted(self._reached(), reverse=True):
            if reached <= end:
                with contextlib.suppress(OSError, PackError):  # skip files that are gone or broken
                    path = self._path(reached)
                    self.enter_context(self._shelf.using(path))
                    state, recipe = latent_files.load(path)
                    if isinstance(state, self._kind) and (ended or reached < end or not recipe.get(_ENDED)):
                        return state, recipe
        return None

    def finish(self, reached: int, state: Kind, recipe: Mapping[str, object], hidden: io.HiddenHolder) -> None:
        """Save the state of a search that has ended, so that a search with more steps can resume from it."""
        problem = self._save(reached, state, {**recipe, _ENDED: True})
        if problem:
            host.say(
                f"Done, but more of the same would start anew: its state could not be kept. {problem}", hidden.unique_id
            )

    def stop(
        self,
        reached: int,
        state: Kind,
        recipe: Mapping[str, object],
        found: Callable[[], Found],
        hidden: io.HiddenHolder,
    ) -> None:
        """Save the state and the results of a search that is interrupted or fails; show where on the node."""
        said = self.cut(reached, state, recipe)
        host.say(f"Stopped. {said} {_leave(self.key or secrets.token_hex(4), found(), hidden)}", hidden.unique_id)

    def cut(self, reached: int, state: Kind, recipe: Mapping[str, object]) -> str:
        """Save the state of a search that ends before its last step; returns a message for the user."""
        problem = self._save(reached, state, recipe)
        going_on = f"Queued again, it goes on from {_UNITS[self._kind]} {reached}."
        return f"Where it stood could not be kept. {problem}" if problem else going_on

    def _save(self, reached: int, state: Kind, recipe: Mapping[str, object]) -> str:
        """Save a state, and then remove earlier ones; returns the reason of a failure, or ""."""
        if not self.key:
            return self._problem
        path = self._path(reached)
        try:
            latent_files.save(path, state, recipe)
        except OSError as error:
            return f"{path.parent}: {_reason(error)}."
        self.close()
        for earlier in self._reached():
            if earlier < reached:
                discard(self._path(earlier))
        self._shelf.tidy(path)
        return ""

    def _path(self, reached: int) -> Path:
        return self._shelf.path(f"{self.key}-{reached}")

    def _reached(self) -> list[int]:
        """The progress of the saved states."""
        numbers = [path.stem.rpartition("-")[2] for path in self._shelf.find(f"{self.key}-")] if self.key else []
        return [int(number) for number in numbers if number.isdecimal()]


def _leave(key: str, found: Found, hidden: io.HiddenHolder) -> str:
    """Save results where Load Latent and Load Image find them; returns a message for the user.

    The results of an equal search that was interrupted before are overwritten.
    """
    name, kept, missed = f"stopped_{key[:8]}", [], []
    recipe = {"prompt": host.provenance(hidden.prompt, hidden.unique_id, leave_out=("steps", "preview_every"))}
    for which, latent in found.latents.items():
        file = f"{name}{which}.safetensors"
        try:
            latent_files.save(host.latents_folder() / file, latent, recipe)
            kept.append(f"{file} (Load Latent)")
        except OSError as error:
            missed.append(f"{file}: {_reason(error)}")
    try:
        kept += host.save_pictures(FOLDER, name, found.images, hidden)
    except OSError as error:
        missed.append(f"pictures: {_reason(error)}")
    said = (("Found so far:", kept), ("Could not be kept:", missed))
    return " ".join(f"{what} {', '.join(names)}." for what, names in said if names)


def _reason(error: OSError) -> str:
    return error.strerror or str(error)
