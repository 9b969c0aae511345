"""Pictures that nodes show on themselves, in the real host: no other node has to stand behind them."""

import numpy as np
from test_host import search


def shown(client, run, node):
    return [client.picture(file).astype(int) for file in run.outputs[node.id]["images"]]


def alike(pictures, others):
    """Whether they are the same, but for the rounding of one writer or another."""
    return all(np.abs(one - other).max() <= 1 for one, other in zip(pictures, others, strict=True))


def test_what_shows_itself_runs_alone_and_shows_what_it_hands_on(client):
    s = search(client)
    del s.graph.prompt["SaveImage"]
    score = s.graph.add("Score", image=s.optimize, loss=s.loss)
    curve = s.graph.add("ScoreCurve", curve=s.optimize[3])
    grid = s.graph.add("Grid", image=s.basis[1], columns=3)
    mask = s.graph.add("TextMask", image=s.optimize, clip=s.clip, crops=20)
    alone = client.run(s.graph.prompt)
    assert alone.status == "success", alone.error
    outputs = {score.id: score, curve.id: curve, grid.id: grid, mask.id: mask[1], s.basis.id: s.basis[1]}
    behind = {name: s.graph.add("PreviewImage", images=output) for name, output in outputs.items()}
    run = client.run(s.graph.prompt)
    for node in (score, curve, grid, mask, s.basis):
        assert alike(shown(client, alone, node), shown(client, run, behind[node.id])), node.id


def test_all_starts_are_shown_with_their_scores_whichever_are_picked(client):
    s = search(client)
    del s.graph.prompt["SaveImage"], s.graph.prompt["Optimize"]
    s.basis.inputs["batch"] = 2
    every = client.run(s.graph.prompt)
    s.basis.inputs["pick"] = "3 1:0.5"
    handed_on = s.graph.add("PreviewImage", images=s.basis[1])
    picked = client.run(s.graph.prompt)
    pictures = shown(client, every, s.basis)
    assert len(pictures) == 6
    assert alike(shown(client, picked, s.basis), pictures)
    assert alike(shown(client, picked, handed_on), [pictures[i] for i in (2, 0, 5, 3)])
    scores = every.outputs[s.basis.id]["scores"]
    assert picked.outputs[s.basis.id]["scores"] == scores
    assert [len(row) for row in scores] == [3, 3]
    assert all(row == sorted(row, reverse=True) for row in scores)


def test_a_score_shows_the_best_first(client):
    s = search(client)
    del s.graph.prompt["SaveImage"], s.graph.prompt["Optimize"]
    score = s.graph.add("Score", image=s.basis[1], loss=s.loss, seed=5)
    run = client.run(s.graph.prompt)
    starts, order = shown(client, run, s.basis), run.outputs[score.id]["order"]
    assert run.outputs[score.id]["scores"] == sorted(run.outputs[score.id]["scores"], reverse=True)
    assert alike(shown(client, run, score), [starts[i] for i in order])
