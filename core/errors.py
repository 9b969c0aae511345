"""The library's exceptions, and text for messages. A message says what was wrong, what was expected and what to do."""

from __future__ import annotations

from collections.abc import Iterable

MOST = 1000  # characters of a message
_QUOTED = 60  # characters of a text that a message repeats


class PackError(ValueError):
    """An error that the user can correct: a value, a file or a combination that cannot work.

    Its message is always printable, even where it repeats text from a user or a file, and has at most MOST characters.
    """

    __module__ = "builtins"  # the host shows module and name before the message, and the module would be a long path

    def __init_subclass__(cls) -> None:
        cls.__module__ = PackError.__module__

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


class ShapeError(PackError):
    """A tensor has a shape other than the expected one."""


class ChoiceError(PackError):
    """A name is not among the known ones."""


class CheckpointError(PackError):
    """A weight file is missing, broken, malicious, or holds another kind of model than expected."""


class LatentError(PackError):
    """A latent or basis belongs to another generator, or does not have the tensors that are needed."""


class IdentityError(PackError):
    """A value has no content from which a lasting digest could be computed, such as a function or an open file."""


def check_choice(what: str, known: Iterable[str], *names: str) -> None:
    """Check that names are among the known ones. what: they are, for the message.

    Raises:
        ChoiceError: one is not; the message lists the known ones.
    """
    choices = list(known)
    if unknown := [name for name in names if name not in choices]:
        raise ChoiceError(f"Unknown {what} {shortened(', '.join(unknown))}: choose from {', '.join(choices)}.")


def quoted(text: object, most: int = _QUOTED) -> str:
    """Text of a user or a file for a message: `shortened`, and in quotes."""
    return f'"{shortened(text, most)}"'


def shortened(text: object, most: int = _QUOTED) -> str:
    """Text as one printable line, cut after `most` characters; unprintable characters become Python's escapes."""
    whole = str(text)
    line = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in whole[:most])
    return line + "…" * (len(whole) > most)


def printable(text: str, most: int = MOST) -> str:
    """Text for any log: lone surrogates are escaped, and the middle is cut out where it is longer than `most`."""
    if len(text) > most:
        text = f"{text[: most // 2]} … {text[len(text) - most // 2 + 3 :]}"
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def first_line(error: BaseException) -> str:
    """The first line of an error's message, without the full stop; the name of its type if there is no message."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
