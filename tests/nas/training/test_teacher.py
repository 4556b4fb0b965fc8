"""Distillation: what a teacher says, and how it is learned."""

import dataclasses

import pytest
import torch
import torch.nn.functional as F
from blocks import TINY, dataset

from nas.errors import InputError
from nas.training.full import check_teacher
from nas.training.pretrained import Pretrained
from nas.training.teacher import Teacher, distillation_loss
from search_spaces.network import build_network


def trained(classes=4, channels=3, names=None):
    arch = dataclasses.replace(TINY, resolution=16)
    torch.manual_seed(0)
    tensors = build_network(arch, classes, channels).state_dict()
    mean, deviation = (120.0,) * channels, (60.0,) * channels
    return Pretrained("t", arch, tensors, "same", 1e-2, mean, deviation, "ours", names, "")


def test_a_teacher_sees_images_at_its_resolution_normalised_as_it_was_trained():
    weights, images = trained(), torch.randint(0, 256, (2, 3, 32, 32)).float()
    network = build_network(weights.arch, 4, padding="same", bn_epsilon=1e-2).eval()
    network.load_state_dict(weights.tensors)
    small = F.interpolate(images, (16, 16), mode="bilinear", antialias=True)
    torch.testing.assert_close(Teacher(weights, "cpu")(images), network((small - 120) / 60))


def test_the_loss_is_zero_at_the_teachers_outputs_and_falls_towards_them():
    theirs = torch.tensor([[2.0, 0.0, -1.0]])
    loss = [distillation_loss(theirs * share, theirs, 2.0).item() for share in (0.0, 0.5, 1.0)]
    assert loss[0] > loss[1] > loss[2] == pytest.approx(0, abs=1e-6)
    shares, ours = (theirs / 2).softmax(1), torch.full((1, 3), 1 / 3)
    assert loss[0] == pytest.approx(4 * (shares * (shares / ours).log()).sum().item(), rel=1e-5)


@pytest.mark.parametrize(
    ("weights", "rule"),
    [
        (trained(3), "teacher must know the classes a, b, c, d, got 3 classes"),
        (trained(names=tuple("abdc")), "teacher must know the classes a, b, c, d, got a, b, d, c"),
        (trained(channels=1), "teacher must take images of 3 channels, got 1"),
    ],
)
def test_a_teacher_of_other_classes_or_channels_is_refused(weights, rule):
    with pytest.raises(InputError, match=f"^{rule}$"):
        check_teacher(weights, dataset(count=4, channels=3))


def test_a_teacher_whose_classes_have_no_names_needs_only_as_many():
    check_teacher(trained(), dataset(count=4, channels=3))
