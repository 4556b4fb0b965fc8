"""Files of weights, and what is wrong with them."""

import functools

import pytest
import torch
from library_names import random_state
from safetensors.torch import save_file

from nas.errors import InputError
from nas.training.pretrained import load_pretrained
from nas.training.state_files import find_source
from search_spaces import PRESETS


@functools.cache
def state_of(preset):
    """A random state dict of a preset, made once."""
    return random_state(PRESETS[preset], 7)


def line(source, arch=None):
    """What is wrong with ``source``."""
    with pytest.raises(InputError) as error:
        load_pretrained(str(source), arch)
    text = str(error.value)
    assert "\n" not in text
    assert text.startswith("init ")
    return text


def saved(path, state):
    """Writes a state dict as a file of this kind."""
    if path.suffix == ".safetensors":
        save_file({name: tensor.contiguous() for name, tensor in state.items()}, path)
    else:
        torch.save(state, path)
    return path


def lite0():
    return torch.load(find_source("efficientnet-lite0").path, weights_only=True)
