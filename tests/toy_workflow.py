"""A toy workflow for run.py's demo, and the definitions of its nodes as a host tells them."""

import pytest

from guided_gan.launcher.workflow import Workflow

DEFINITIONS = {
    "GuidedGAN_LoadGenerator": {
        "input": {"required": {"model": ["COMBO", {"options": ["tiny", "big"]}]}},
        "display_name": "Load",
    },
    "GuidedGAN_EncodeText": {
        "input": {
            "required": {"clip": ["CLIP_JOINT"], "text": ["STRING", {"multiline": True}]},
            "optional": {"weight": ["FLOAT", {"default": 1.0}]},
        },
        "display_name": "Encode Text",
    },
    "GuidedGAN_Optimize": {
        "input": {
            "required": {
                "generator": ["GAN_GENERATOR"],
                "seed": ["INT", {"control_after_generate": True}],
                "method": [
                    "COMFY_DYNAMICCOMBO_V3",
                    {
                        "options": [
                            {"key": "adam", "inputs": {"required": {"lr": ["FLOAT", {"default": 0.05}]}}},
                            {
                                "key": "cma",
                                "inputs": {
                                    "required": {"sigma": ["FLOAT", {"default": 0.5}], "pop": ["INT", {"default": 8}]}
                                },
                            },
                        ]
                    },
                ],
                "steps": ["INT", {"default": 200}],
            },
            "optional": {
                "init": ["IMAGE"],
                "preview": ["BOOLEAN", {"default": False}],
                "strength": ["FLOAT", {"forceInput": True}],
            },
        },
        "display_name": "Optimize",
    },
    "ImageInvert": {"input": {"required": {"image": ["IMAGE"]}}, "display_name": "Invert"},
    "SaveImage": {
        "input": {"required": {"images": ["IMAGE"], "filename_prefix": ["STRING", {"default": "x"}]}},
        "display_name": "Save",
    },
}


def link(name, number, kind="*"):
    return {"name": name, "type": kind, "link": number}


def graph():
    """Load and Encode Text feed Optimize, which feeds Save through a bypassed node and a reroute."""
    return {
        "nodes": [
            {"id": 1, "type": "GuidedGAN_LoadGenerator", "widgets_values": ["big"]},
            {
                "id": 2,
                "type": "GuidedGAN_EncodeText",
                "title": "Wish",
                "inputs": [link("clip", None)],
                "widgets_values": ["a tree"],
            },
            {
                "id": 3,
                "type": "GuidedGAN_Optimize",
                "inputs": [link("generator", 10)],
                "widgets_values": [7, "randomize", "cma", 0.3, 12, 50, True],
            },
            {
                "id": 4,
                "type": "ImageInvert",
                "mode": 4,
                "inputs": [link("mask", 99, "MASK"), link("image", 11, "IMAGE")],
            },
            {"id": 5, "type": "Reroute", "inputs": [link("", 12)]},
            {"id": 6, "type": "SaveImage", "inputs": [link("images", 13)], "widgets_values": ["out"]},
            {"id": 7, "type": "SaveImage", "mode": 2, "inputs": [link("images", 11)], "widgets_values": ["never"]},
            {"id": 8, "type": "MarkdownNote", "widgets_values": ["read me"]},
        ],
        "links": [
            [10, 1, 0, 3, 0, "GAN_GENERATOR"],
            [11, 3, 1, 4, 1, "IMAGE"],
            [12, 4, 0, 5, 0, "IMAGE"],
            [13, 5, 0, 6, 0, "IMAGE"],
        ],
        "extra": {
            "ds": {},
            "guided_gan": {
                "prompts": [{"name": "wish", "about": "what to show"}, {"name": "style", "about": "how to show it"}],
                "texts": {"2.text": "{wish} | {style}:0.5", "6.filename_prefix": "{wish}"},
                "seeds": {"3.seed": 2},
            },
        },
    }


@pytest.fixture(name="workflow")
def toy_workflow():
    return Workflow(graph(), DEFINITIONS)


def inputs(workflow, node):
    return workflow.prompt[node]["inputs"]
