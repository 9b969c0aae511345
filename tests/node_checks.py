"""What is asked of every node: of its words, of the steps of its numbers, and of what `execute` takes."""

from host_client import inputs, options, within


def check_explanations(nodes):
    """Each node, input and output has its words."""
    for identity, node in nodes.items():
        assert node["display_name"], identity
        assert node["description"].endswith("."), identity
        assert node["category"].startswith("guided GAN/"), identity
        for name, spec, _ in within(node):
            assert options(spec).get("tooltip"), f"{identity}.{name} has no tooltip"
        assert all(node["output_tooltips"] or []), f"{identity} has an output without a tooltip"


def check_steps(nodes):
    """The editor rounds to min + a multiple of the step, which would turn 2,000 into 2,001."""
    for identity, node in nodes.items():
        for name, spec, _ in within(node):
            step = options(spec).get("step", 1)
            if spec[0] == "INT":
                snaps = options(spec)["min"] % step == 0
                assert snaps or step == 1, f"{identity}.{name}: its min must be a multiple of its step"


def check_parameters(nodes, probe):
    """The inputs are what `execute` takes, and may be left out only where it has a default."""
    for identity, node in nodes.items():
        parameters = probe["parameters"][identity]
        open_ended = any("VAR_KEYWORD" in kind for kind, _ in parameters.values())
        named = {name for name, (kind, _) in parameters.items() if "VAR_KEYWORD" not in kind}
        ids = {name for name, _, _ in inputs(node)}
        assert named <= ids if open_ended else named == ids, identity
        for name, _, optional in inputs(node):
            default = parameters[name][1] if name in named else open_ended
            assert not optional or default, f"{identity}.{name} is optional, but execute has no default"
