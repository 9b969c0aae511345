"""What the library raises: each message says what was wrong, what was expected and what to do."""

from __future__ import annotations


class PackError(ValueError):
    """Something that the user can mend: a value, a file or a combination that cannot work."""


class ShapeError(PackError):
    """A tensor has another shape than its place expects."""


class ChoiceError(PackError):
    """A name is not among the known ones."""


class CheckpointError(PackError):
    """A weight file is missing, broken, hostile or of another family than its place expects."""


class LatentError(PackError):
    """A latent or basis belongs to another generator."""


class IdentityError(PackError):
    """A value that nothing lasting tells from others of its class."""
