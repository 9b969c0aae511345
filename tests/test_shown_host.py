"""Pictures that nodes show on themselves, in the real host: no other node has to stand behind them."""

import numpy as np
import pytest
from host_results import said, saved
from host_search import search


def alike(pictures, others):
    """Whether they are the same, but for the rounding of one writer or another."""
    return all(np.abs(one - other).max() <= 1 for one, other in zip(pictures, others, strict=True))


def test_what_shows_itself_runs_alone_and_shows_what_it_hands_on(client):
    s = search(client)
    del s.graph.prompt["SaveImage"]
    curve = s.graph.add("ScoreCurve", curve=s.optimize[3])
    grid = s.graph.add("Grid", image=s.basis[1], columns=3)
    mask = s.graph.add("TextMask", image=s.optimize, clip=s.clip, crops=20)
    alone = client.run(s.graph.prompt)
    assert alone.status == "success", alone.error
    outputs = {curve.id: curve, grid.id: grid, mask.id: mask[1], s.basis.id: s.basis[1]}
    behind = {name: s.graph.add("PreviewImage", images=output) for name, output in outputs.items()}
    run = client.run(s.graph.prompt)
    for node in (curve, grid, mask, s.basis):
        assert alike(saved(client, alone, node), saved(client, run, behind[node.id])), node.id


def test_all_starts_are_shown_with_their_scores_whichever_are_picked(client):
    s = search(client)
    del s.graph.prompt["SaveImage"], s.graph.prompt["Optimize"]
    s.basis.inputs["batch"] = 2
    every = client.run(s.graph.prompt)
    s.basis.inputs["pick"] = "3 1:0.5"
    handed_on = s.graph.add("PreviewImage", images=s.basis[1])
    picked = client.run(s.graph.prompt)
    pictures = saved(client, every, s.basis)
    assert len(pictures) == 6
    assert alike(saved(client, picked, s.basis), pictures)
    assert alike(saved(client, picked, handed_on), [pictures[i] for i in (2, 0, 5, 3)])
    scores = every.outputs[s.basis.id]["scores"]
    assert picked.outputs[s.basis.id]["scores"] == scores
    assert [len(row) for row in scores] == [3, 3]
    assert all(row == sorted(row, reverse=True) for row in scores)


def test_a_score_shows_the_best_first_each_with_its_score(client):
    s = search(client)
    del s.graph.prompt["SaveImage"], s.graph.prompt["Optimize"]
    score = s.graph.add("Score", image=s.basis[1], loss=s.loss, seed=5)
    run = client.run(s.graph.prompt)
    starts, found = saved(client, run, s.basis), run.outputs[score.id]
    assert found["scores"] == sorted(found["scores"], reverse=True)
    (sheet,) = saved(client, run, score)
    assert sheet.shape[1] == 3 * 260 + 4
    for place, start in enumerate(found["order"]):
        corner = 4 + 260 * place
        tile = sheet[4:260, corner : corner + 256]
        assert alike([tile], [starts[start].repeat(4, 0).repeat(4, 1)])
        assert (sheet[264:, corner : corner + 256] < 64).any(), "its score stands below it"


def test_a_score_is_that_of_the_curve_and_says_how_sure_it_is(client):
    s = search(client, steps=8, evaluate_every=2, seed=31)
    s.loss.inputs["copies"] = 24
    same, other = (s.graph.add("Score", image=s.optimize, loss=s.loss, seed=seed) for seed in (31, 32))
    run = client.run(s.graph.prompt)
    best = run.outputs["Optimize"]["curve"][0]["best"]["AugCLIP"]
    (score,), (error,) = (run.outputs[same.id][name] for name in ("scores", "errors"))
    assert score == pytest.approx(best, abs=1e-4)
    (another,) = run.outputs[other.id]["scores"]
    assert 0 < abs(another - score) < 5 * error
    assert f"picture 1: {score:.4f} ± {error:.4f}" in said(run, same)
