"""One entry of the catalogue of published weights."""

from __future__ import annotations

from dataclasses import dataclass

from ..files.download import File


@dataclass(frozen=True)
class Published:
    """Weights that somebody published.

    name: the file, or for a CLIP the folder, as the menus show it. kind: the folder of models that it belongs in.
    files: the weights in one form or several, best first. clip: what open_clip calls the model and its weights. beside:
    files that belong beside them. about: bytes of the weights, where only their count of numbers is known.
    """

    name: str
    kind: str
    files: tuple[File, ...]
    licence: str
    good_for: str
    clip: tuple[str, str] | None = None
    beside: tuple[File, ...] = ()
    about: int | None = None

    @property
    def size(self) -> int | None:
        """Bytes of the weights in the first form whose size is published."""
        return next((file.size for file in self.files if file.size), None)

    @property
    def hashed(self) -> bool:
        """Whether the SHA-256 of each form is published."""
        return all(file.hashed for file in self.files)
