"""Small networks with random weights, written to disk as ONNX and loaded by the real loading code.

Shapes, types, names and ranges of inputs and outputs are those of the real files, as their manifests say.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from retouch_engine.budget import CPU, Use
from retouch_engine.heal import Healer
from retouch_engine.heal.registry import NEURAL
from retouch_engine.pool import Hands, Pool
from retouch_engine.runtime import load
from retouch_engine.stock import Model
from retouchd.models import manifest

NETWORKS = ("lama", "lama-dynamic", "migan", "rethined")
_FILE = "network.onnx"


def write_network(path: Path, *, size: int | None, uint8: bool, scale: float, sane: bool = False) -> Path:
    """A network that takes ``image`` and ``mask``.

    Args:
        path: the file to write.
        size: the fixed height and width; None for any.
        uint8: whether inputs and output are bytes, and the mask is 0 where the hole is.
        scale: what the output is multiplied by.
        sane: instead of random weights a very wide normalised blur, which is no bad fill for skin.
    """
    onnx = pytest.importorskip("onnx", reason="onnx writes the networks of these tests")
    h, node, kinds = onnx.helper, onnx.helper.make_node, onnx.TensorProto
    kind = kinds.UINT8 if uint8 else kinds.FLOAT
    side: list[Any] = [size, size] if size else ["height", "width"]
    nodes, constants = [], {"one": np.float32(1), "scale": np.float32(scale), "tiny": np.float32(1e-4)}
    image, mask = "image", "mask"
    if uint8:
        constants["byte"] = np.float32(255)
        for name in ("image", "mask"):
            nodes += [
                node("Cast", [name], [f"{name}_f"], to=kinds.FLOAT),
                node("Div", [f"{name}_f", "byte"], [f"{name}_1"]),
            ]
        image = "image_1"
        nodes.append(node("Sub", ["one", "mask_1"], ["hole"]))
        mask = "hole"
    nodes += [node("Sub", ["one", mask], ["keep"]), node("Mul", [image, "keep"], ["seen"])]
    nodes += _blurred(node, constants) if sane else _random(node, constants, mask)
    nodes.append(node("Mul", ["answer", "scale"], ["scaled"]))
    nodes.append(node("Cast", ["scaled"], ["output"], to=kind))
    graph = h.make_graph(
        nodes,
        "network",
        [
            h.make_tensor_value_info("image", kind, [1, 3, *side]),
            h.make_tensor_value_info("mask", kind, [1, 1, *side]),
        ],
        [h.make_tensor_value_info("output", kind, [1, 3, *side])],
        [onnx.numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items()],
    )
    model = h.make_model(graph, opset_imports=[h.make_opsetid("", 17)])
    model.ir_version = 8
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, str(path))
    return path


def _random(node: Any, constants: dict[str, Any], mask: str) -> list[Any]:
    rng = np.random.default_rng(7)
    constants["w1"] = rng.normal(size=(8, 4, 3, 3)).astype(np.float32) * 0.3
    constants["w2"] = rng.normal(size=(3, 8, 3, 3)).astype(np.float32) * 0.3
    return [
        node("Concat", ["seen", mask], ["both"], axis=1),
        node("Conv", ["both", "w1"], ["c1"], pads=[1, 1, 1, 1]),
        node("Relu", ["c1"], ["r1"]),
        node("Conv", ["r1", "w2"], ["c2"], pads=[1, 1, 1, 1]),
        node("Sigmoid", ["c2"], ["answer"]),
    ]


def _blurred(node: Any, constants: dict[str, Any]) -> list[Any]:
    reach = 60  # over the radius of any hole that the tests fill
    constants["row"] = np.ones((1, 1, 1, 2 * reach + 1), np.float32)
    constants["column"] = np.ones((1, 1, 2 * reach + 1, 1), np.float32)
    constants["row3"], constants["column3"] = (np.repeat(constants[n], 3, axis=0) for n in ("row", "column"))
    return [
        node("Conv", ["seen", "row3"], ["s1"], pads=[0, reach, 0, reach], group=3),
        node("Conv", ["s1", "column3"], ["s2"], pads=[reach, 0, reach, 0], group=3),
        node("Conv", ["keep", "row"], ["k1"], pads=[0, reach, 0, reach]),
        node("Conv", ["k1", "column"], ["k2"], pads=[reach, 0, reach, 0]),
        node("Add", ["k2", "tiny"], ["k3"]),
        node("Div", ["s2", "k3"], ["answer"]),
    ]


def network_model(model_id: str, folder: Path, *, sane: bool = False, **contract: Any) -> Model:
    """A small network in the place of a real model, with that model's manifest."""
    known = manifest(model_id)
    said = {**known.contract, **contract}
    byte = "uint8" in str(said.get("range", ""))
    scale = 255.0 if str(said["output"]).startswith("0..255") else 1.0
    write_network(folder / _FILE, size=said.get("size"), uint8=byte, scale=scale, sane=sane)
    return Model(
        model_id, known.healer, folder, "ab" * 32, known.licence, known.commercial, known.precision,
        known.rest_mb, known.peak_mb, (_FILE,), contract=said,
    )  # fmt: skip


def use_of(model: Model) -> Use:
    """The model on the processor."""
    return Use(model, CPU, model.precision, False, model.rest_mb, model.peak_mb)


def a_pool() -> Pool:
    """A pool with the real loader."""
    return Pool(Hands(load, lambda _: None, time.monotonic), 0, 60.0)


def neural_healer(model_id: str, folder: Path, *, sane: bool = False) -> Healer:
    """The healer of a model, with a small network behind it."""
    pytest.importorskip("onnxruntime", reason="the extra 'cpu' is not installed")
    model = network_model(model_id, folder / model_id, sane=sane)
    return NEURAL[model.healer](use_of(model), a_pool())
