"""A network as Python that needs nothing of this project: plain PyTorch, or a model of timm."""

from __future__ import annotations

import functools
import importlib.util
import itertools
import json
import re
import sys
from pathlib import Path
from types import ModuleType

from safetensors.torch import load_file, save
from torch import Tensor

from nas.deploy import plain
from nas.deploy.finished import Finished, Run, as_run
from nas.deploy.timm_text import Texts, decode, names, renamed, spell

MODEL, WEIGHTS = "model.py", "model.safetensors"
TIMM_MODEL, TIMM_WEIGHTS = "timm_model.py", "timm_model.safetensors"
ACTIVATIONS = {"silu": "nn.SiLU", "relu": "nn.ReLU", "relu6": "nn.ReLU6"}
NUMBERS = itertools.count()


def model_py(finished: Finished) -> str:
    """The source of ``nas.deploy.plain`` with the network's design in it."""
    design = finished.design
    fields = [
        f"    {field}={literal(value)},\n"
        for field, value in zip(design._fields, design, strict=True)
        if field != "layers"
    ]
    layers = [f"        {layer},\n" for layer in design.layers]
    text = "".join(["DESIGN = Design(\n", *fields, "    layers=(\n", *layers, "    ),\n)\n"])
    source = Path(plain.__file__).read_text("utf-8")
    return re.sub(r"^DESIGN = Design\(\n.*?^\)\n", lambda _: text, source, flags=re.DOTALL | re.MULTILINE)


def literal(value: object) -> str:
    """A value of a design as Python; texts in double quotes, a long list of them a line each."""
    if not isinstance(value, tuple):
        return json.dumps(value) if isinstance(value, str) else repr(value)
    words = [literal(one) for one in value]
    line = f"({', '.join(words)}{',' * (len(words) == 1)})"
    if len(line) <= 90:
        return line
    return "(\n" + "".join(f"        {word},\n" for word in words) + "    )"


def weights(finished: Finished) -> bytes:
    """``model.safetensors``: the tensors, under our names."""
    return save({name: tensor.contiguous() for name, tensor in finished.tensors.items()}, {"format": "pt"})


def open_model(folder: Path) -> Run:
    """The network that ``model.py`` in a folder loads."""
    return as_run(imported(folder / MODEL).load(folder))


def imported(path: Path) -> ModuleType:
    """A Python file as a module, under a name of its own."""
    name = f"nas_exported_{next(NUMBERS)}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # timm looks the module of a model up
    writes, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        spec.loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = writes
        del sys.modules[name]
    return module


TIMM = '''"""{name} as a model of timm, whose weights are in {weights}, beside this file.

    import timm
    import timm_model
    network = timm.create_model("{name}", pretrained=True).eval()
"""

from functools import partial
from pathlib import Path

from timm.models import register_model
from timm.models._efficientnet_builder import decode_arch_def
from timm.models._registry import generate_default_cfgs
from timm.models.efficientnet import _create_effnet
from torch import nn

ARCHITECTURE = [
{stages}]
CLASSES = {classes}

default_cfgs = generate_default_cfgs(
    {{
        "{name}": {{
            "file": str(Path(__file__).with_name("{weights}")),
            "num_classes": {number},
            "label_names": CLASSES,
            "input_size": ({channels}, {side}, {side}),
            "pool_size": ({last}, {last}),
            "crop_pct": {crop!r},
            "crop_mode": "center",
            "interpolation": "bicubic",
            "mean": {mean},
            "std": {deviation},
            "first_conv": "conv_stem",
            "classifier": "classifier",
        }}
    }}
)


@register_model
def {name}(pretrained=False, **kwargs):
    """The network; arguments as for any model of timm."""
    design = dict(
        block_args=decode_arch_def(ARCHITECTURE),
        stem_size={stem},
        stem_kernel_size={kernel},
        fix_stem=True,
        num_features={head},
        round_chs_fn=int,
        pad_type="{padding}",
        output_stride={stride},
        act_layer={activation},
        norm_layer=partial(nn.BatchNorm2d, eps={epsilon!r}),
    )
    return _create_effnet("{name}", pretrained, **{{**design, **kwargs}})
'''


def timm_py(finished: Finished) -> str:
    """The source of a file that registers the network with timm; ValueError as for ``spell``."""
    arch, design = finished.arch, finished.design
    texts = spell(arch)
    return TIMM.format(
        name=timm_name(finished),
        weights=TIMM_WEIGHTS,
        stages="".join(f"    {json.dumps(stage)},\n" for stage in texts),
        classes=literal(design.classes).replace("\n    )", "\n)").replace("\n        ", "\n    "),
        number=len(design.classes),
        channels=design.channels,
        side=design.resolution,
        last=-(-design.resolution // arch.stride),
        crop=design.resolution / design.read_at,
        mean=literal(tuple(value / 255 for value in design.mean)),
        deviation=literal(tuple(value / 255 for value in design.deviation)),
        stem=design.stem,
        kernel=design.stem_kernel,
        head=design.head,
        padding="same" if design.same else "",
        stride=max(32, arch.stride),  # beyond it, timm replaces strides by dilation
        activation=ACTIVATIONS[design.activation],
        epsilon=design.bn_epsilon,
    )


def timm_name(finished: Finished) -> str:
    """A function's name that no model of timm has."""
    return "nas_" + re.sub(r"\W", "_", finished.name, flags=re.ASCII).lower()


def timm_weights(finished: Finished) -> bytes:
    """``timm_model.safetensors``: the tensors, under timm's names."""
    found = renamed(dict(finished.tensors), names(spell(finished.arch)))
    return save({name: tensor.contiguous() for name, tensor in found.items()}, {"format": "pt"})


def open_timm(folder: Path, finished: Finished) -> Run:
    """The network that timm makes of the files; without timm, the one that its grammar says."""
    if has_timm():
        import timm

        imported(folder / TIMM_MODEL)
        network = timm.create_model(timm_name(finished), pretrained=True).eval()
        return as_run(network)
    source = (folder / TIMM_MODEL).read_text("utf-8")
    found = re.search(r"^ARCHITECTURE = (\[.*?^\])$", source, re.DOTALL | re.MULTILINE)
    assert found is not None
    texts: Texts = json.loads(re.sub(r",(\s*\])", r"\1", found[1]))
    back = [(theirs, ours) for ours, theirs in names(texts)]
    tensors: dict[str, Tensor] = renamed(load_file(folder / TIMM_WEIGHTS), back)
    network = plain.Network(finished.design._replace(layers=decode(texts, finished.design.stem)))
    network.load_state_dict(tensors)
    return as_run(network.eval())


@functools.cache
def has_timm() -> bool:
    """Whether timm can be imported: a torchvision of another build of torch ends it with a RuntimeError."""
    try:
        import timm
    except (ImportError, RuntimeError):
        return False
    return hasattr(timm, "create_model")  # not so where a folder has its name
