"""What the library raises: each message says what was wrong, what was expected and what to do."""

from __future__ import annotations

MOST = 1000  # characters of a message; a sentence or two, with the name of a file
_QUOTED = 60


class PackError(ValueError):
    """Something that the user can mend: a value, a file or a combination that cannot work.

    Its message can always be printed, whatever text of a user or a file it repeats, and has at most MOST characters.
    """

    __module__ = "builtins"  # the host shows module and name before the message, and the module would be a long path

    def __init_subclass__(cls) -> None:
        cls.__module__ = PackError.__module__

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


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


def quoted(text: object, most: int = _QUOTED) -> str:
    """Text that a user wrote or a file holds, as a message repeats it: `shortened`, and in quotes."""
    return f'"{shortened(text, most)}"'


def shortened(text: object, most: int = _QUOTED) -> str:
    """Text as one printable line, cut after `most` characters; what cannot be printed is written as Python would."""
    whole = str(text)
    line = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in whole[:most])
    return line + "…" * (len(whole) > most)


def printable(text: str, most: int = MOST) -> str:
    """Text that any log takes: without halves of characters, and without its middle where it is longer than `most`."""
    if len(text) > most:
        text = f"{text[: most // 2]} … {text[len(text) - most // 2 + 3 :]}"
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def first_line(error: BaseException) -> str:
    """What an error says in its first line, without the full stop; of one that says nothing, its type."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
