"""The score curve as a picture."""

import math
from dataclasses import replace

import pytest
import torch

from guided_gan.core.errors import PackError
from guided_gan.core.results import Curve
from guided_gan.core.search import plots


def rows_of(picture, ink):
    """For each column, the middle row of the pixels that have this very ink, below the legend; NaN where none has."""
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


def test_apart_each_score_has_a_panel_and_a_scale_of_its_own():
    given = curve(AugCLIP=[[0.1], [0.2], [0.3]], angle=[[10.0], [50.0], [90.0]], factor=[[7e5], [4e5], [1e5]])
    picture = plots.plot_curve(given, apart=True)
    panels = picture.chunk(3, 2)
    rows = [rows_of(panel, ink) for panel, ink in zip(panels, plots._INKS, strict=False)]
    drawn = [row[row.isfinite()] for row in rows]
    assert all(len(row) > 600 for row in drawn)
    # In panels of one size, lines of one form are drawn alike.
    torch.testing.assert_close(drawn[0], drawn[1], atol=1, rtol=0)
    assert drawn[2][-1] - drawn[2][0] > 100
    for panel, ink in zip(panels, plots._INKS[1:], strict=False):
        assert not rows_of(panel, ink).isfinite().any(), "no line strays into another panel"


def test_one_score_is_drawn_the_same_apart_or_not():
    given = curve(AugCLIP=[[0.1], [0.2]])
    assert torch.equal(plots.plot_curve(given), plots.plot_curve(given, apart=True))


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize(
    "given",
    [
        curve(CLIP=[[0.2]]),
        curve(CLIP=[[0.2], [0.2], [0.2]]),
        curve(CLIP=[[-1e30], [-1e30]]),
        curve(CLIP=[[math.nan], [0.2], [math.inf]]),
        curve(CLIP=[[0.2], [0.3]], other=[[math.nan], [math.nan]]),
        curve(**{f"loss {i}": [[0.1 * i], [0.2]] for i in range(9)}),
    ],
    ids=["one point", "constant", "huge", "one finite point", "nothing finite", "more lines than inks"],
)
def test_odd_curves_are_drawn_too(given, apart):
    picture = plots.plot_curve(given, apart)
    assert picture.isfinite().all()
    assert rows_of(picture, plots._INKS[0]).isfinite().any()


def test_what_is_not_finite_leaves_a_gap():
    scores = [[0.0], [1.0], [math.nan], [math.inf], [1.0], [0.0]]
    rows = rows_of(plots.plot_curve(curve(CLIP=scores)), plots._INKS[0])
    drawn = rows.isfinite().nonzero()[:, 0]
    gaps = drawn.diff()
    assert gaps.max() > 0.5 * (drawn[-1] - drawn[0]), "three of the five steps are not drawn"
    assert (gaps > 1).sum() == 1
    assert rows[drawn].amax() - rows[drawn].amin() > 300, "the rest has the scale that it would have alone"


def test_axes_have_titles():
    picture = plots.plot_curve(curve(AugCLIP=[[0.1], [0.2]]))[0, 0]
    assert (picture[60:400, :34] < 0).any(), "that of the scores, upward"
    assert (picture[-24:, 300:560] < 0).any(), "that of the steps"


def test_a_dot_marks_what_is_kept_and_the_legend_tells_its_score():
    given = curve(AugCLIP=[[0.1], [0.4], [0.3], [0.3], [0.3]])
    plain, marked = (plots.plot_curve(replace(given, kept=kept)) for kept in ((), (10,)))
    rows, columns = (plain != marked)[0].any(0)[60:].nonzero().unbind(1)
    assert columns.float().mean().item() == pytest.approx(128 + 616 / 4, abs=2)
    assert rows.float().mean().item() + 60 == pytest.approx(rows_of(plain, plots._INKS[0])[128 + 154].item(), abs=4)
    assert torch.equal(marked[:, :, :40], plots.plot_curve(curve(AugCLIP=[[0.1], [0.4]]))[:, :, :40]), "0.4, not 0.3"


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0.19, 0.36, [0.2, 0.25, 0.3, 0.35]),
        (0, 149, [0, 50, 100]),
        (-540, 11400, [0, 5000, 10000]),
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
    ],
)
def test_axes_are_labelled_with_round_numbers(low, high, ticks):
    assert plots._ticks(low, high) == pytest.approx(ticks)


def test_an_empty_curve_is_refused():
    with pytest.raises(PackError, match="The score curve is empty"):
        plots.plot_curve(Curve())


def test_a_curve_grows_without_changing():
    first = Curve().add(0, {"a": [1.0, 2.0]})
    second = first.add(5, {"a": [3.0, 4.0]})
    assert (first.steps, first.scores["a"]) == ((0,), ((1.0, 2.0),))
    assert (second.steps, second.scores["a"]) == ((0, 5), ((1.0, 2.0), (3.0, 4.0)))


def test_a_thinned_curve_keeps_its_ends_and_what_is_kept():
    given = replace(curve(a=[[i, -i] for i in range(1000)]), kept=(30, 4560))
    thin = given.thinned(5)
    assert thin.steps == (0, 30, 2500, 4560, 5000, 7490, 9990)
    assert [row[0] * 10 for row in thin.scores["a"]] == list(thin.steps)
    assert thin.best() == given.best() == {"a": (3 - 456) / 2}
    assert given.thinned(1000) == given
    assert replace(given, kept=()).thinned(1).steps == (0,)
    assert Curve().thinned(5) == Curve()


def test_without_knowing_what_was_kept_there_is_no_best():
    assert curve(a=[[1.0], [2.0]]).best() == {}
