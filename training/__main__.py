"""Train a StyleGAN-T on captioned pictures; run again with the same --out, it resumes.

The data is a folder of pictures with a text of the same name beside each (a line a caption), loose or in .tar shards as
WebDataset writes them; or such shards by their addresses, of which each machine fetches its own.

Stages follow one another and each starts from the weights of the one before, as in the paper:
`--stages 16:5000 32:5000 64:25000 text:1000 128:10000` grows the pictures to 64 pixels, then trains the text encoder
alone, then all at 128. Into --out go the model (stylegan_t.safetensors), after a text stage the CLIP that it then goes
with (clip/), sheets of samples and TensorBoard's logs. Load Generator has the model as `stylegan-t-` and the name of
the folder, with its text encoder.

Defaults are those of the paper, except the lengths of the stages, which it does not give: CLIP's ViT-L/14 reads the
captions, DINO's ViT-S/16 is the discriminator's backbone, and the batch size is 2,048. Both networks are downloaded
when they are first needed. `--data picturebook` is a trial on small models that come with the pack.

Small data sets (under 20,000 pictures) are augmented adaptively. They gain from fine-tuning: `--start MODEL` starts
from any StyleGAN-T of the same --size and --clip, and `--freeze mapping 8 16` keeps parts of it fixed.
"""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections.abc import Sequence

from ..core.compute import memory
from ..core.errors import PackError
from ..launcher import children
from . import options as command_line
from . import preflight, ship
from .sources import data


def main(arguments: Sequence[str]) -> int:
    options = command_line.parse(__doc__, arguments)
    memory.keep_freed()
    try:
        if options.plan:
            from . import plan

            plan.show(options)
            return 0
        if "WORLD_SIZE" not in os.environ:
            prepare(options)
        elif children.end_with_parent:
            children.end_with_parent()  # or else it would train on, beside the run that is to go on from here
        if options.processes * options.machines > 1 and "WORLD_SIZE" not in os.environ:
            return share_out(options, arguments)
        from .job import Training  # not above, as what shares the work out does without what it needs

        Training(options).run()
    except (PackError, OSError) as error:
        print(f"stylegan-t: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped; the same command goes on from the last checkpoint.", file=sys.stderr)
        return 130
    return 0


def prepare(options: Namespace) -> None:
    """Check the options and download the networks, once for all processes.

    Raises:
        PackError: a stage is malformed, there is no data, or a network cannot be obtained.
    """
    command_line.stages(options.stages)
    data(options)
    if options.name is not None:
        ship.menu_place(options.name, options.out)
    preflight.all_needed(options)
    if options.machines > 1 and not options.meet:
        raise PackError(f"{options.machines} machines must know where to meet: add --meet HOST:PORT, the same on all.")


def share_out(options: Namespace, arguments: Sequence[str]) -> int:
    """Run this module in distributed processes, on one or more machines; returns the exit status."""
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import main as torchrun

    where = ["--standalone"]
    if options.machines > 1:
        host, _, port = options.meet.rpartition(":")
        where = [f"--nnodes={options.machines}", f"--node-rank={options.machine}"]
        where += [f"--master-addr={host}", f"--master-port={port}"]
    try:
        torchrun([*where, f"--nproc-per-node={options.processes}", "-m", str(__spec__.name), *arguments])
    except ChildFailedError:
        return 1  # the processes have printed the error
    except SignalException as error:
        return 128 + error.sigval
    return 0


if __name__ == "__main__":
    status = main(sys.argv[1:])
    if "WORLD_SIZE" in os.environ:
        # One of several processes, whose threads may outlive the interpreter's end and abort a training that is done.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    sys.exit(status)
