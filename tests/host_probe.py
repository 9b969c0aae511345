"""Run in a process of its own: loads a pack as ComfyUI does, and prints what that took and gave, as JSON.

Arguments: ComfyUI's folder, and the pack's where it is not this one.
"""

import asyncio
import importlib.util
import inspect
import json
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
comfyui, pack = sys.argv[1], Path(sys.argv[2]) if len(sys.argv) > 2 else ROOT

sys.path.insert(0, comfyui)
sys.argv = ["main.py", "--cpu"]

import comfy.options  # noqa: E402

comfy.options.enable_args_parsing()

import comfy_api.latest  # noqa: E402, F401
import server  # noqa: E402, F401

before, start = set(sys.modules), time.process_time()
spec = importlib.util.spec_from_file_location(
    "custom_nodes_guided_gan", pack / "__init__.py", submodule_search_locations=[str(pack)]
)
assert spec is not None
assert spec.loader is not None
module = importlib.util.module_from_spec(spec)
sys.modules[spec.name] = module
spec.loader.exec_module(module)


async def load():
    extension = await module.comfy_entrypoint()
    await extension.on_load()
    return await extension.get_node_list()


nodes = {node.GET_SCHEMA().node_id: node for node in asyncio.run(load())}
seconds = time.process_time() - start

report = {
    "seconds": seconds,
    "modules": sorted({name.partition(".")[0] for name in set(sys.modules) - before}),
    "definitions": {identity: node.GET_NODE_INFO_V1() for identity, node in nodes.items()},
    "parameters": {
        identity: {
            name: [str(p.kind), p.default is not p.empty]
            for name, p in inspect.signature(node.execute).parameters.items()
        }
        for identity, node in nodes.items()
    },
}
sys.stdout.write(json.dumps(report))
