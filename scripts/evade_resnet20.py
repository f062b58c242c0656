"""Evade the public CIFAR-10 ResNet-20 of akamaster/pytorch_resnet_cifar10 at 8/255, with its weights at hand.

The weights are one array a tensor, named as in the PyTorch file (`conv1.weight`, `layer1.0.bn1.running_mean`, ...); the images are bytes
x_test ["record 32 32 3"] with labels y_test. The network is undefended: what does not bring it to 0% is too weak.

    python scripts/evade_resnet20.py resnet20.npz cifar10.npz --records 128 --methods "pgd?steps=20" apgd-ce
    python scripts/evade_resnet20.py resnet20.npz cifar10.npz --records 128 --methods square

With --onnx the network is written as a graph of bytes as well, which the command line takes:

    python scripts/evade_resnet20.py resnet20.npz cifar10.npz --methods --onnx resnet20.onnx
    jaxattack evade resnet20.onnx --data test.npz --method "pgd?size=0.0314&steps=20"
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from onnx import TensorProto, helper, numpy_helper

from jaxattack.attacks.evasion import lookup
from jaxattack.metrics import clopper_pearson
from jaxattack.models.conv import conv
from jaxattack.types import Evasion, Inputs, Model, Variables, WhiteBox

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
EPSILON = 1e-5
"""Of PyTorch's batch norm."""


def resnet20(tensors: dict[str, np.ndarray]) -> WhiteBox:
    """The network on bytes, each batch norm folded into the convolution before it."""
    params = {"linear": {"kernel": tensors["linear.weight"].T, "bias": tensors["linear.bias"]}, **folded(tensors)}
    variables = Variables(jax.tree.map(jnp.asarray, params), {})
    model = Model(lambda _: variables, logits, lambda variables, x, _: (logits(variables, x), {}))
    return WhiteBox(model=model, variables=variables, inputs=Inputs.box(0, 255, (32, 32, 3)), classes=10)


def folded(tensors: dict[str, np.ndarray]) -> dict[str, dict[str, np.ndarray]]:
    """Kernels ["row column channel out"] and biases of all convolutions."""
    layers = {}
    for name in [name for name in tensors if ".conv" in name or name.startswith("conv")]:
        norm = name.removesuffix("weight").replace("conv", "bn")
        scale = tensors[f"{norm}weight"] / np.sqrt(tensors[f"{norm}running_var"] + EPSILON)
        kernel = tensors[name].transpose(2, 3, 1, 0) * scale
        bias = tensors[f"{norm}bias"] - tensors[f"{norm}running_mean"] * scale
        layers[name.removesuffix(".weight")] = {"kernel": kernel, "bias": bias}
    return layers


def logits(variables: Variables, x: jax.Array) -> jax.Array:
    """Of images as bytes."""
    layers = variables.params

    def convolved(name, x, stride=1):
        return (
            conv(x, layers[name]["kernel"], (stride, stride), ((1, 1), (1, 1))) + layers[name]["bias"][None, None, None]
        )

    mean, deviation = (jnp.asarray(part).reshape(1, 1, 1, 3) for part in (MEAN, DEVIATION))
    x = jax.nn.relu(convolved("conv1", (x / 255 - mean) / deviation))
    for stage in (1, 2, 3):
        for block in range(3):
            name, stride = f"layer{stage}.{block}", 2 if stage > 1 and not block else 1
            inner = convolved(f"{name}.conv2", jax.nn.relu(convolved(f"{name}.conv1", x, stride)))
            x = jax.nn.relu(inner + shortcut(x, inner.shape[-1], stride))
    linear = layers["linear"]
    return lax.dot(x.mean(axis=(1, 2)), linear["kernel"]) + linear["bias"][None]


def shortcut(x: jax.Array, channels: int, stride: int) -> jax.Array:
    """Option A of He et al. 2015: every second pixel, and channels of zeros on both sides."""
    beside = (channels - x.shape[-1]) // 2
    return jnp.pad(x[:, ::stride, ::stride], ((0, 0), (0, 0), (0, 0), (beside, beside)))


def graph_of(layers: dict[str, dict[str, np.ndarray]], linear: dict[str, np.ndarray]) -> Any:
    """The network as an ONNX model of bytes in float32, channels first."""
    make, tensors, nodes = helper.make_node, {}, []

    def tensor(name: str, value: Any) -> str:
        value = np.asarray(value)
        tensors[name] = numpy_helper.from_array(value.astype(np.float32) if value.dtype.kind == "f" else value, name)
        return name

    def convolved(name: str, source: str, stride: int = 1) -> str:
        kernel = tensor(f"{name}.kernel", layers[name]["kernel"].transpose(3, 2, 0, 1))
        sides: dict[str, Any] = {"pads": [1, 1, 1, 1], "strides": [stride, stride], "kernel_shape": [3, 3]}
        nodes.append(make("Conv", [source, kernel, tensor(f"{name}.bias", layers[name]["bias"])], [name], **sides))
        return name

    def through(kind: str, sources: list[str], name: str, **attributes: Any) -> str:
        nodes.append(make(kind, sources, [name], **attributes))
        return name

    mean, deviation = (np.reshape(part, (3, 1, 1)) for part in (MEAN, DEVIATION))
    x = through("Sub", ["bytes", tensor("mean", 255 * mean)], "centred")
    x = through("Div", [x, tensor("deviation", 255 * deviation)], "normalised")
    x = through("Relu", [convolved("conv1", x)], "stem")
    for stage in (1, 2, 3):
        for block in range(3):
            name, stride = f"layer{stage}.{block}", 2 if stage > 1 and not block else 1
            inner = through("Relu", [convolved(f"{name}.conv1", x, stride)], f"{name}.relu")
            inner = convolved(f"{name}.conv2", inner)
            if stride == 2:
                ends = [tensor(f"{name}.{part}", np.array(value)) for part, value in
                        (("starts", [0, 0]), ("ends", [32, 32]), ("axes", [2, 3]), ("steps", [2, 2]))]  # fmt: skip
                beside = 8 if stage == 2 else 16
                pads = tensor(f"{name}.pads", np.array([0, beside, 0, 0, 0, beside, 0, 0]))
                x = through("Pad", [through("Slice", [x, *ends], f"{name}.sliced"), pads], f"{name}.padded")
            x = through("Relu", [through("Add", [inner, x], f"{name}.sum")], f"{name}.out")
    x = through("Flatten", [through("GlobalAveragePool", [x], "pooled")], "flat")
    through("Gemm", [x, tensor("w", linear["kernel"]), tensor("b", linear["bias"])], "logits")
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes, "resnet20", [value("bytes", TensorProto.FLOAT, ("batch", 3, 32, 32))],
        [value("logits", TensorProto.FLOAT, ("batch", 10))], [*tensors.values()],
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def main() -> None:
    """Print one line a method."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("weights", type=Path)
    parser.add_argument("images", type=Path)
    parser.add_argument("--records", type=int, default=128)
    parser.add_argument("--size", type=float, default=8 / 255)
    parser.add_argument(
        "--methods", nargs="*", default=["fgsm", "pgd?steps=20", "apgd-ce?steps=20", "apgd-dlr?steps=20"]
    )
    parser.add_argument("--onnx", type=Path, help="write the network there, too")
    options = parser.parse_args()
    with np.load(options.weights) as weights, np.load(options.images) as images:
        box, x, y = resnet20(dict(weights)), images["x_test"], images["y_test"].astype(int)
    if options.onnx:
        layers = jax.tree.map(np.asarray, box.variables.params)
        options.onnx.write_bytes(graph_of(layers, layers["linear"]).SerializeToString())
    for method in options.methods:
        sized = f"{method}{'&' if '?' in method else '?'}size={options.size}"
        attack, begin = lookup(sized), time.process_time()
        evasion = attack(
            box, x[: options.records], y[: options.records]
        )  # the model at hand answers within one program
        print(f"{sized}: {line_of(evasion)}, {time.process_time() - begin:.0f} CPU seconds", flush=True)


def line_of(evasion: Evasion) -> str:
    """How many records of those that were right an attack left right, with its interval, and what it took."""
    right, records = int(evasion.right.sum()), len(evasion.right)
    left = int((evasion.right & ~evasion.success).sum())
    low, high = clopper_pearson(left, right)
    first = evasion.first[evasion.right]
    asked = f", {np.median(first):.0f} questions in the median and {first.max():,} at most" if first.any() else ""
    return (
        f"right {right} of {records}, still right {left} of them ({low:.1%} to {high:.1%}), robust accuracy {left / records:.1%}, "
        f"largest change {255 * evasion.distance.linf.max():.2f}/255, {evasion.gradients} gradients{asked}"
    )


if __name__ == "__main__":
    main()
