"""The score curve as a picture."""

import pytest
import torch

from guided_gan.core import plots
from guided_gan.core.errors import PackError
from guided_gan.core.types import Curve


def rows_of(picture, ink):
    """For each column, the middle row of the pixels that have just this ink, below the legend; NaN where there is none."""
    pixels = ((picture[0] + 1) * 127.5).round()
    match = (pixels == torch.tensor(ink, dtype=torch.float32).view(3, 1, 1)).all(0)
    match[:40] = False
    rows = torch.arange(match.shape[0])[:, None].expand_as(match)
    return torch.where(match, rows, 0).sum(0) / match.sum(0)


def curve(**scores):
    length = len(next(iter(scores.values())))
    return Curve(tuple(range(0, 10 * length, 10)), {name: tuple(map(tuple, rows)) for name, rows in scores.items()})


def test_a_line_is_straight_where_the_mean_score_is_and_rises_with_it():
    picture = plots.plot_curve(curve(AugCLIP=[[0.0, 0.2], [0.2, 0.2], [0.4, 0.2]], CLIP=[[0.3], [0.2], [0.1]]))
    assert picture.shape[:2] == (1, 3)
    assert picture.min() >= -1
    assert picture.max() == 1
    rows = rows_of(picture, plots._INKS[0])
    drawn = rows[rows.isfinite()]
    assert len(drawn) > 600
    slopes = drawn[50:-50].diff()
    assert (drawn[0] - drawn[-1]) > 300, "a score that goes up is drawn upward, and fills the plot"
    assert slopes.abs().max() < 3
    falling = rows_of(picture, plots._INKS[1])
    falling = falling[falling.isfinite()]
    assert falling[-1] > falling[0]


@pytest.mark.parametrize(
    "given",
    [curve(CLIP=[[0.2]]), curve(CLIP=[[0.2], [0.2], [0.2]]), curve(**{f"loss {i}": [[0.1 * i], [0.2]] for i in range(9)})],
    ids=["one point", "constant", "more lines than inks"],
)
def test_odd_curves_are_drawn_too(given):
    picture = plots.plot_curve(given)
    assert picture.isfinite().all()
    assert rows_of(picture, plots._INKS[0]).isfinite().any()


def test_an_empty_curve_is_refused():
    with pytest.raises(PackError, match="The score curve is empty"):
        plots.plot_curve(Curve())


def test_a_curve_grows_without_changing():
    first = Curve().add(0, {"a": [1.0, 2.0]})
    second = first.add(5, {"a": [3.0, 4.0]})
    assert (first.steps, first.scores["a"]) == ((0,), ((1.0, 2.0),))
    assert (second.steps, second.scores["a"]) == ((0, 5), ((1.0, 2.0), (3.0, 4.0)))
