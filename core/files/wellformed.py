"""Checks types, shapes and finiteness of values that were read from files, before anything uses them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from torch import Tensor

from ..errors import quoted
from ..pictures.resample import SIDES
from ..results import Best, Curve, Film, State
from ..types import SCALAR, SEARCHED, SOFTMAX, Basis, Latent

_LONGEST_NAME = 1000
_LEAST_BYTES = 2  # of a number: those of 8 bits are for storage only, and torch does not even tell which are finite
_FIGURES = ("losses", "second", "lowest")  # fields of `Best` with a number for each search


def check(value: Latent | Basis | State | Film) -> None:
    """Refuse a value that was read from a file and violates the invariants of its class.

    Raises:
        TypeError, ValueError: the message says which part is wrong.
    """
    _CHECKS[type(value)](value)


def _latent(latent: Latent) -> None:
    _name(latent.generator, "generator")
    _tensors(latent.tensors, "latent")
    _rows(latent.tensors)


def _basis(basis: Basis) -> None:
    _name(basis.generator, "generator")
    _tensors({"scores": basis.scores}, "basis")
    if basis.scores.ndim != 2 or not basis.scores.numel():
        raise ValueError(f"its scores must be [N, k]; they are {list(basis.scores.shape)}")
    rows = len(basis)
    for group in ("fixed", "anchor", "mask", "moments", "weights", "coarse"):
        _tensors(getattr(basis, group), group, some=False)
    _tensors(basis.vectors, "vectors")
    for name, value in basis.vectors.items():
        if value.ndim < 3 or value.shape[0] != rows or not value.numel():
            raise ValueError(f"its vectors {quoted(name)} must be [{rows}, k, ...]; they are {list(value.shape)}")
        if basis.weighting == SCALAR:
            layer = name[: name.rfind(".") + 1]
            _shape(_part(basis.weights, f"{layer}all"), value.shape[:2], "weights")
        elif basis.weighting == SOFTMAX:
            _shape(_part(basis.weights, name), value.shape, f"weights of {quoted(name)}")
        else:
            raise ValueError(f"its weighting is {quoted(basis.weighting)}, not {SCALAR} or {SOFTMAX}")
    _rows({"scores": basis.scores, **basis.fixed})
    for name, mask in basis.mask.items():
        shape = (rows, *_part(basis.vectors, name).shape[2:])
        _shape(_part(basis.anchor, name), shape, f"anchor of {quoted(name)}")
        _shape(mask, (rows, 1, *shape[2:]), f"mask of {quoted(name)}")
    for name, grid, sides in basis.coarser():
        channels, *size = _part(basis.vectors, name).shape[2:]
        fits = grid.ndim == 4 and len(size) == 2 and grid.shape[:2] == (rows, channels) and grid.numel()
        if not fits or grid.shape[2] > size[0] or grid.shape[3] > size[1]:
            raise ValueError(f"a coarse grid of {quoted(name)} has the shape {list(grid.shape)}")
        if sides not in SIDES:
            raise ValueError(f"a coarse grid of {quoted(name)} has the unknown sides {quoted(sides)}")
    _whole(basis.steps, "steps")
    searched = {f"{group}.{name}": value for group in SEARCHED for name, value in getattr(basis, group).items()}
    for name, value in basis.moments.items():
        leaf = name.split("/")[1] if name.count("/") == 2 else name
        shape = _part(searched, leaf).shape
        _shape(value, shape if value.ndim > 1 else shape[:1], f"moments of {quoted(name)}")


def _state(state: State) -> None:
    _basis(state.basis)
    rows = len(state.basis)
    if state.best is not None:
        _best(state.best, rows)
    _curve(state.curve, rows)
    _curve(state.trace, rows)


def _best(best: Best, rows: int) -> None:
    _latent(best.latents)
    _pictures(best.images, rows)
    figures = {name: getattr(best, name) for name in _FIGURES}
    _tensors(figures, "best")
    _rows({**best.latents.tensors, **figures})
    for name, values in figures.items():
        _shape(values, (rows,), name)


def _film(film: Film) -> None:
    _latent(film.latents)
    _pictures(film.images, len(film))


_CHECKS = {Latent: _latent, Basis: _basis, State: _state, Film: _film}


def _pictures(images: Tensor, rows: int) -> None:
    _tensors({"images": images}, "pictures")
    if images.ndim != 4 or images.shape[:2] != (rows, 3) or not images.numel():
        raise ValueError(f"its images must be [{rows}, 3, H, W]; they are {list(images.shape)}")


def _curve(curve: Curve, rows: int) -> None:
    for step in curve.steps:
        _whole(step, "steps of a curve")
    if curve.kept and (len(curve.kept) != rows or not set(curve.kept) <= set(curve.steps)):
        raise ValueError(f"its curve has kept the steps {quoted(curve.kept)}, not one of its own for each search")
    for name, points in curve.scores.items():
        _name(name, "score")
        if len(points) != len(curve.steps) or any(len(point) != rows for point in points):
            raise ValueError(f"the curve {quoted(name)} is not one of {len(curve.steps)} points of {rows} searches")
        if not all(isinstance(value, float | int) and not math.isnan(value) for point in points for value in point):
            raise ValueError(f"the curve {quoted(name)} holds what is not a number")


def _name(value: object, what: str) -> None:
    if not isinstance(value, str) or not value.isprintable() or len(value) > _LONGEST_NAME:
        raise ValueError(f"its {what} has the name {quoted(value)}, which is none")


def _whole(value: object, what: str) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"its {what} must be whole numbers of at least 0; got {quoted(value)}")


def _tensors(tensors: Mapping[str, Tensor], what: str, some: bool = True) -> None:
    """Refuse tensors that are not floating-point, of 16 bits or more, or not finite.

    some: whether to refuse an empty mapping too.
    """
    if some and not tensors:
        raise ValueError(f"its {what} is without any tensor")
    for name, value in tensors.items():
        _name(name, "tensor")
        if not value.is_floating_point() or value.element_size() < _LEAST_BYTES:
            raise ValueError(f"{quoted(name)} holds {value.dtype}, not floating-point numbers of 16 bits or more")
        if not value.isfinite().all():
            raise ValueError(f"{quoted(name)} holds numbers that are not finite")


def _rows(tensors: Mapping[str, Tensor]) -> None:
    """Refuse tensors that do not have the same number of rows, at least one."""
    rows = {
        value.shape[0] if value.ndim > 1 or (name in _FIGURES and value.ndim) else 0 for name, value in tensors.items()
    }
    if len(rows) > 1 or 0 in rows:
        shapes = {name: list(value.shape) for name, value in tensors.items()}
        raise ValueError(
            f"its tensors must hold as many rows each, at least one; their shapes are {quoted(shapes, 200)}"
        )


def _part(tensors: Mapping[str, Tensor], name: str) -> Tensor:
    if name not in tensors:
        raise ValueError(f"it lacks the tensor {quoted(name)}")
    return tensors[name]


def _shape(value: Tensor, shape: Iterable[int], what: str) -> None:
    if list(value.shape) != list(shape):
        raise ValueError(f"its {what} must have the shape {list(shape)}; they have {list(value.shape)}")
