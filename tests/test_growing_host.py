"""Nodes whose inputs grow: many at once are what a chain of two each is."""

import pytest


@pytest.fixture
def parts(client):
    graph = client.graph()
    clips = [graph.add("LoadCLIP"), graph.add("LoadCLIP", model="picturebook robust")]
    texts = ("a boat", "a red house", "a tree:-0.5", "a fish")
    return graph, clips, [graph.add("EncodeText", clip=clips[0], text=text) for text in texts]


def plain(graph, clip, target, **options):
    """The CLIP score, whose copies draw no numbers."""
    off = dict.fromkeys(("color", "translation", "resize", "cutout"), False)
    return graph.add("AugCLIPLoss", clip=clip, target=target, copies=1, **off, **options)


def scored(client, graph, *losses):
    """What each loss makes of one picture."""
    picture = graph.add("EmptyImage", width=64, height=64, color=0x3060C0)
    nodes = [graph.add("Score", image=picture, loss=loss) for loss in losses]
    run = client.run(graph.prompt)
    assert run.status == "success", run.error
    return [run.outputs[node.id]["scores"] for node in nodes]


def test_losses(client, parts):
    graph, (clip, _), targets = parts
    a, b, c, d = (plain(graph, clip, target) for target in targets)
    chain = graph.add("AddLosses", loss_1=a, loss_2=b, weight_1=2.0)
    del chain.inputs["weights"]  # as graphs had it that were saved before
    chain = graph.add("AddLosses", loss_1=chain, loss_2=c, weight_2=0.5)
    chain = graph.add("AddLosses", loss_1=chain, loss_2=d)
    more = {"more.loss_4": d, "more.loss_3": c}
    grown = graph.add("AddLosses", loss_1=a, loss_2=b, weight_1=2.0, weights="0.5", **more)
    one, other = scored(client, graph, chain, grown)
    assert one == pytest.approx(other, abs=1e-6)


def test_targets(client, parts):
    graph, (clip, _), (a, b, c, d) = parts
    chain = graph.add("CombineTargets", target_1=a, target_2=b)
    chain = graph.add("CombineTargets", target_1=chain, target_2=graph.add("CombineTargets", target_1=c, target_2=d))
    grown = graph.add("CombineTargets", target_1=a, target_2=b, **{"more.target_3": c, "more.target_4": d})
    fewer = graph.add("CombineTargets", target_1=a, target_2=b, **{"more.target_3": {"__value__": None}})
    one, other, third = scored(client, graph, *(plain(graph, clip, target) for target in (chain, grown, fewer)))
    assert one == pytest.approx(other, abs=1e-6)
    assert one != pytest.approx(third, abs=1e-3)


def test_encoders(client, parts):
    graph, (a, b), _ = parts
    two = graph.add("CombineCLIP", clip_1=a, clip_2=b)
    weighed = graph.add("CombineCLIP", clip_1=a, clip_2=b, weight_1=0.5)
    shipped = graph.add("LoadCLIP", model="picturebook both")
    chain = graph.add("CombineCLIP", clip_1=two, clip_2=b, weight_1=2.0, weight_2=0.5)
    grown = graph.add("CombineCLIP", clip_1=a, clip_2=b, weights="0.5", **{"more.clip_3": b})
    clips = (weighed, shipped, chain, grown)
    losses = (plain(graph, clip, graph.add("EncodeText", clip=clip, text="a boat")) for clip in clips)
    scores = scored(client, graph, *losses)
    assert scores[0] == pytest.approx(scores[1], abs=1e-6)
    assert scores[2] == pytest.approx(scores[3], abs=1e-6)
    assert scores[0] != pytest.approx(scores[2], abs=1e-3)


@pytest.mark.parametrize(
    ("weights", "words"),
    [("heavy", "must be numbers"), ("1 2", "of which 1 are linked"), ("nan", "from -100"), ("1e9", "from -100")],
)
def test_weights_that_cannot_be_are_refused(client, parts, weights, words):
    graph, (clip, _), targets = parts
    a, b, c = (plain(graph, clip, target) for target in targets[:3])
    grown = graph.add("AddLosses", loss_1=a, loss_2=b, weights=weights, **{"more.loss_3": c})
    graph.add("Score", image=graph.add("EmptyImage", width=64, height=64), loss=grown)
    assert words in client.run(graph.prompt).error[1]


def test_what_is_no_loss_is_refused(client, parts):
    graph, (clip, _), targets = parts
    loss = plain(graph, clip, targets[0])
    grown = graph.add("AddLosses", loss_1=loss, loss_2=loss, **{"more.loss_3": "a text"})
    graph.add("Score", image=graph.add("EmptyImage", width=64, height=64), loss=grown)
    assert "loss_3 needs a link" in client.run(graph.prompt).error[1]
