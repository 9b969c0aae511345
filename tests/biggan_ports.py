"""BigGANs as the ports of TensorFlow Hub's weights keep them, in the v1 layout and in ivclab's, of random tensors."""

from zlib import crc32

import torch
from biggans import biggan_state
from toys import seeded

CHUNK = 4  # of z in `state`


def state():
    """Random tensors in the published names, whose attention's channels tell where it is."""
    return biggan_state(mult=(4, 4, 2, 1), chunk=CHUNK)


def vector(name, size):
    """Random numbers of a name's own."""
    return torch.randn(size, generator=seeded(crc32(name.encode())))


def ported(called, finish, tensors, chunk):
    """Tensors as a port of TensorFlow Hub's weights has it: names by `called`, the order of numbers as there."""
    file = {}
    for name, value in (tensors or state()).items():
        layer, _, ending = name.rpartition(".")
        if ending == "sv0":
            continue
        if layer == "linear":  # from channel, row, column
            value = value.flatten() if ending == "u0" else value
            value = value.unflatten(0, (-1, 4, 4)).movedim(0, 2).flatten(0, 2)
        if layer.endswith((".gain", ".bias")) and ending == "weight":
            value = torch.cat((value[:, -chunk:], value[:, :-chunk]), 1)
        if ending == "u0":
            value = value.flatten()
        file[called(layer, ending)] = value[None] if ending == "gamma" else value
    return finish(file)


def v1_name(layer, ending):
    *above, part = layer.split(".")
    block = f"GBlock.{above[1]}" if len(above) > 1 else ""
    ending = {
        "weight": "weight_bar",
        "u0": "weight_u",
        "stored_mean": "running_mean",
        "stored_var": "running_var",
    }.get(ending, ending)
    if layer == "shared":
        return "linear.weight"
    if layer == "output_layer.0":
        return f"ScaledCrossReplicaBN.{'weight' if ending == 'gain' else ending}"
    if layer in ("linear", "output_layer.2"):
        return f"{'G_linear' if layer == 'linear' else 'colorize'}.module.{ending}"
    if ending == "gamma":
        return "attention.gamma"
    if part in ("theta", "phi", "g", "o"):
        return f"attention.{'o_conv' if part == 'o' else part}.module.{ending}"
    if part in ("bn1", "bn2"):
        return f"{block}.{'HyperBN' if part == 'bn1' else 'HyperBN_1'}.bn.{ending}"
    if part in ("gain", "bias"):
        norm = "HyperBN" if above[-1] == "bn1" else "HyperBN_1"
        return f"{block}.{norm}.{'gamma' if part == 'gain' else 'beta'}_embed.module.{ending}"
    return f"{block}.{ {'conv1': 'conv0', 'conv2': 'conv1', 'conv_sc': 'conv_sc'}[part] }.module.{ending}"


def v1(tensors=None, chunk=CHUNK):
    """A file in the v1 layout, of tensors in the published names or of `state`."""

    def finish(file):
        unread = {f"{name[:-1]}v": vector(name, len(u)) for name, u in file.items() if name.endswith("weight_u")}
        counts = {
            f"{name.removesuffix('running_mean')}num_batches_tracked": torch.tensor(7)
            for name in file
            if name.endswith("running_mean")
        }
        return {**file, "linear.weight": file["linear.weight"].T.contiguous(), **unread, **counts}

    return ported(v1_name, finish, tensors, chunk)


def ivclab_name(layer, ending):
    name = v1_name(layer, ending).replace(".module.", ".").replace("weight_bar", "weight_orig")
    for theirs, ours in (
        ("GBlock.0.", "gblock."),
        ("GBlock.", "gblock_"),
        ("G_linear.", "g_z.g_linear."),
        (".bn.running_", ".crossreplicabn.running_"),
        ("HyperBN", "hyperbn"),
        ("_embed.", "."),
        ("ScaledCrossReplicaBN.", "scaledcrossreplicabn."),
        ("colorize.", "conv_2d."),
    ):
        name = name.replace(theirs, ours)
    return name


def levels(value):
    """Statistics for 50 truncations of which the last are `value`, and the others are not."""
    return value * torch.linspace(0.5, 1, 50)[:, None]


def ivclab(tensors=None, chunk=CHUNK):
    """A file in ivclab's layout, of tensors in the published names or of `state`."""

    def finish(file):
        file = dict(file)
        for name in list(file):
            if name.endswith(("running_mean", "running_var")):
                file[f"{name.replace('running', 'standing')}s"] = levels(file[name])
                file[name] = torch.zeros_like(file[name])  # not what is used
            if name.endswith("weight_orig"):
                file[name.replace("orig", "v")] = vector(name, file[name][0].numel())
        return file

    return ported(ivclab_name, finish, tensors, chunk)
