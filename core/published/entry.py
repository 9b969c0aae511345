"""One entry of the catalogue of published weights."""

from __future__ import annotations

from dataclasses import dataclass

from ..files.download import File


@dataclass(frozen=True)
class Published:
    """Published weights.

    name: of the file, or for a CLIP of the folder, as shown in menus. kind: the folder of models that it belongs in.
    files: the weights in one or several formats, in order of preference. good_for: a short description. clip:
    open_clip's names of the model and of its weights; None for other models. beside: further files that are needed.
    about: approximate size in bytes, where only the number of parameters is published.
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
        """Size in bytes of the weights, in the first format whose size is published; None without one."""
        return next((file.size for file in self.files if file.size), None)

    @property
    def hashed(self) -> bool:
        """Whether the SHA-256 of every format is published."""
        return all(file.hashed for file in self.files)
