import copy
import dataclasses
import math
import re

import numpy as np
import pytest
import torch
from blocks import AVERAGED, SHORT, TINY, dataset, untimed
from heirs import pretrained

import nas.training.trainer
from nas.data import Part, load_data
from nas.spec.recipe import Recipe
from nas.training.initial import initial_network
from nas.training.pixels import resize as resize_images
from nas.training.pretrained import Pretrained
from nas.training.trainer import Trainer, train
from search_spaces import PRESETS, ArchSpec, resize
from search_spaces.network import ConvBN, build_network


def results(*args, **kwargs):
    """The epochs without their seconds."""
    return [untimed(epoch) for epoch in train(*args, **kwargs)]


@pytest.fixture(scope="module")
def data():
    return dataset()


def test_every_pass_yields_an_epoch_and_the_last_has_an_accuracy(data):
    epochs = list(train(TINY, data, dataclasses.replace(SHORT, epochs=3), 0))
    assert [epoch.epoch for epoch in epochs] == [1, 2, 3]
    assert all(math.isfinite(epoch.train_loss) for epoch in epochs)
    assert [epoch.seconds for epoch in epochs] == sorted(epoch.seconds for epoch in epochs)
    assert 0 <= epochs[-1].accuracy <= 1
    assert epochs[-1].valid_loss > 0


def test_blocks_are_learnt(data):
    *_, last = train(TINY, data, dataclasses.replace(SHORT, epochs=8), 0)
    assert last.accuracy > 0.8


def test_training_starts_with_no_opinion_on_any_class(data):
    *_, last = train(TINY, data, dataclasses.replace(SHORT, epochs=1, learning_rate=1e-9), 0)
    assert last.train_loss == pytest.approx(math.log(4), abs=1e-4)
    assert last.valid_loss == pytest.approx(math.log(4), abs=1e-4)


def test_inverted_residuals_start_as_the_identity(data):
    network = initial_network(SHORT.shrink(TINY), data, SHORT, 0, "cpu").eval()
    (layer,) = (layer for layer in network.layers if layer.residual)
    x = torch.randn(2, 16, 4, 4)
    assert torch.equal(layer(x), x)


def test_equal_arguments_give_equal_epochs(data):
    assert results(TINY, data, SHORT, 5) == results(TINY, data, SHORT, 5)


def test_another_seed_gives_another_training(data):
    assert results(TINY, data, SHORT, 5) != results(TINY, data, SHORT, 6)


def test_seed_orders_the_batches_too(data, monkeypatch):
    monkeypatch.setattr(
        nas.training.trainer,
        "initial_network",
        lambda arch, data, recipe, seed, device, init: initial_network(arch, data, recipe, 0, device),
    )
    assert results(TINY, data, SHORT, 5) != results(TINY, data, SHORT, 6)


def test_trainings_that_take_turns_do_not_disturb_each_other(data):
    alone = results(TINY, data, SHORT, 0)
    both = list(zip(train(TINY, data, SHORT, 0), train(TINY, data, SHORT, 1), strict=True))
    assert [untimed(first) for first, _ in both] == alone


def test_global_random_state_is_left_alone(data):
    torch.manual_seed(11)
    np.random.seed(11)  # noqa: NPY002 - the global state is what this test is about
    before = torch.get_rng_state()
    legacy = np.random.get_state()[1].copy()  # noqa: NPY002
    for _ in train(TINY, data, SHORT, 0):
        assert torch.equal(torch.get_rng_state(), before)
    assert np.array_equal(np.random.get_state()[1], legacy)  # noqa: NPY002


def test_global_random_state_does_not_matter(data):
    torch.manual_seed(1)
    first = results(TINY, data, SHORT, 0)
    torch.manual_seed(2)
    assert results(TINY, data, SHORT, 0) == first


def test_a_loss_that_is_not_finite_raises_arithmetic_error(data):
    with pytest.raises(ArithmeticError, match=r"^loss is (nan|inf) in epoch 1$"):
        list(train(TINY, data, dataclasses.replace(SHORT, learning_rate=1e30), 0))


def test_a_last_step_that_ruins_the_network_raises_arithmetic_error(data):
    one_step = dataclasses.replace(SHORT, learning_rate=1e30, batch_size=1000, epochs=1)
    with pytest.raises(ArithmeticError, match=r"^validation loss is (nan|inf) in epoch 1$"):
        list(train(TINY, data, one_step, 0))


def test_fraction_trains_on_the_first_images_only(data):
    half = dataclasses.replace(
        data,
        train=Part(*(np.concatenate([array[:80], np.zeros_like(array[80:])]) for array in data.train)),
    )
    proxy = dataclasses.replace(SHORT, fraction=0.5)
    assert results(TINY, half, proxy, 0) == results(TINY, data, proxy, 0)


def test_width_and_resolution_are_the_proxys(data, monkeypatch):
    built = []
    build = torch.nn.Module.to

    def note(module, *args, **kwargs):
        built.append(sum(p.numel() for p in module.parameters()))
        return build(module, *args, **kwargs)

    monkeypatch.setattr(torch.nn.Module, "to", note)
    for width in (1.0, 2.0):
        list(train(TINY, data, dataclasses.replace(SHORT, width=width, epochs=1), 0))
    assert built[1] > 2 * built[0]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [12, 16, 40])
def test_images_of_any_size_and_channels_train(size, channels):
    *_, last = train(TINY, dataset(count=64, size=size, channels=channels), SHORT, 0)
    assert 0 <= last.accuracy <= 1


def test_images_are_resized_to_the_resolution():
    images = torch.full((3, 3, 40, 24), 7, dtype=torch.uint8)
    pixels = resize_images(images, 16)
    assert torch.equal(pixels, torch.full((3, 3, 16, 16), 7, dtype=torch.uint8))


def test_accuracy_does_not_depend_on_which_images_are_evaluated_together(data, monkeypatch):
    *_, last = train(TINY, data, SHORT, 0)
    monkeypatch.setattr(nas.training.trainer, "evaluated_at_once", lambda arch, device: 7)
    *_, other = train(TINY, data, SHORT, 0)
    assert other.valid_loss == pytest.approx(last.valid_loss, rel=1e-5)
    assert other.accuracy == last.accuracy


def test_no_batch_has_only_one_image():
    proxy = dataclasses.replace(SHORT, resolution=8, batch_size=2)  # its last maps have one pixel
    *_, last = train(TINY, dataset(count=33), proxy, 0)
    assert math.isfinite(last.train_loss)


def test_a_batch_larger_than_the_data_trains(data):
    *_, last = train(TINY, data, dataclasses.replace(SHORT, batch_size=1000), 0)
    assert math.isfinite(last.train_loss)


def test_read_only_arrays_train_without_a_warning(data):
    shipped = dataset()
    for part in (*shipped.train, *shipped.valid):
        part.flags.writeable = False  # as arrays from Ray's object store are
    assert results(TINY, shipped, SHORT, 0) == results(TINY, data, SHORT, 0)


@pytest.mark.slow
def test_a_network_learns_digits_better_than_chance():
    *_, last = train(TINY, load_data("digits"), Recipe(), 0)
    assert last.accuracy > 0.3


@pytest.mark.parametrize(
    ("field", "value", "rule"),
    [
        ("resolution", 4, "an integer of at least 8"),
        ("resolution", 32.0, "an integer of at least 8"),
        ("epochs", 0, "an integer of at least 1"),
        ("epochs", True, "an integer of at least 1"),
        ("batch_size", 1, "an integer of at least 2"),
        ("width", 0, "positive"),
        ("width", math.nan, "positive"),
        ("learning_rate", -0.1, "positive"),
        ("learning_rate", math.inf, "positive"),
        ("fraction", 0.0, "in (0, 1]"),
        ("fraction", 1.5, "in (0, 1]"),
        ("weight_decay", -1, "0 or more"),
        ("warmup", 1, "in [0, 1)"),
    ],
)
def test_proxy_states_the_rule_and_the_value(field, value, rule):
    with pytest.raises(ValueError, match=re.escape(f"{field} must be {rule}, got {value!r}")):
        Recipe(**{field: value})


def test_a_larger_network_is_trained_on_larger_images_and_keeps_its_width():
    b0 = PRESETS["efficientnet-b0"]
    small = Recipe(resolution=40, width=0.25, divisor=1).shrink(resize(b0, width=1.1, resolution=280), 224)
    assert small.resolution == 50
    assert [stage.channels for stage in small.stages] == [4, 6, 12, 22, 30, 52, 88]
    coarse = Recipe(resolution=40, width=0.25).shrink(resize(b0, width=1.1, resolution=280))
    assert coarse.resolution == 40
    assert [stage.channels for stage in coarse.stages] == [8, 8, 16, 24, 32, 56, 88]


def test_the_reference_decides_the_size_of_the_images(data, monkeypatch):
    sizes = []
    build = nas.training.trainer.initial_network
    monkeypatch.setattr(
        nas.training.trainer,
        "initial_network",
        lambda arch, *rest: sizes.append(arch.resolution) or build(arch, *rest),
    )
    list(train(TINY, data, SHORT, 0, reference=TINY.resolution // 2))
    assert set(sizes) == {2 * SHORT.resolution}


@pytest.mark.parametrize("optimizer", ["adamw", "rmsprop"])
def test_a_restored_training_goes_on_exactly(data, optimizer):
    recipe = dataclasses.replace(AVERAGED, optimizer=optimizer)
    arch = recipe.shrink(TINY)
    through = [untimed(epoch) for epoch in Trainer(arch, data, recipe, 5).epochs()]
    first, second = Trainer(arch, data, recipe, 5), Trainer(arch, data, recipe, 5)
    parts = [first.next_epoch()]
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    parts += second.epochs()
    assert [untimed(epoch) for epoch in parts] == through


@pytest.mark.parametrize(("precision", "kind"), [("auto", torch.float32), ("bfloat16", torch.bfloat16)])
def test_a_cpu_computes_in_float32_unless_asked(data, precision, kind):
    arch = ArchSpec.parse(str(TINY).replace("k3", "k5"))  # depthwise: a backward pass of their own
    trainer = Trainer(arch, data, dataclasses.replace(SHORT, epochs=1, precision=precision), 0)
    kinds = set()
    trainer.network.layers[0].register_forward_hook(lambda _layer, _images, output: kinds.add(output.dtype))
    trainer.next_epoch()
    assert kinds == {kind}


@pytest.fixture
def known():
    """Pretrained weights of TINY, for colour images and three classes."""
    network = pretrained(TINY, classes=3)
    tensors = {name: tensor for name, tensor in network.state_dict().items() if "batches" not in name}
    return Pretrained("t", TINY, tensors, "same", 1e-3, (127.0,) * 3, (128.0,) * 3, "ours", None, "")


@pytest.mark.parametrize("frozen", [True, False])
def test_pretrained_weights_keep_their_function_on_other_images(known, frozen):
    """Up to the classifier; BN's statistics are those of the images, and stay where they are frozen."""
    data = dataset(channels=3)
    recipe = dataclasses.replace(SHORT, frozen_bn=frozen, epochs=1)
    trainer = Trainer(SHORT.shrink(TINY), data, recipe, 0, init=known)
    network = build_network(TINY, 3, padding="same").eval()
    network.load_state_dict({**network.state_dict(), **known.tensors})
    images = trainer.normalise(trainer.train_images.range(0, 160))
    features = [net.head(net.layers(net.stem(images))) for net in (network, trainer.network.eval())]
    torch.testing.assert_close(features[1], features[0], rtol=1e-3, atol=1e-3)
    before = {name: tensor.clone() for name, tensor in trainer.network.state_dict().items()}
    torch.testing.assert_close(
        before["stem.1.running_mean"], network.stem[0](images).mean((0, 2, 3)), rtol=1e-3, atol=1e-3
    )
    trainer.next_epoch()
    after = trainer.network.state_dict()
    same = {name: torch.equal(after[name], tensor) for name, tensor in before.items()}
    assert all(is_same is frozen for name, is_same in same.items() if "running" in name)
    assert not any(is_same for name, is_same in same.items() if name.endswith("weight"))


def test_grey_images_are_seen_as_colour_weights_see_grey(known):
    trainer = Trainer(SHORT.shrink(TINY), dataset(channels=1), SHORT, 0, init=known)
    network = build_network(TINY, 3, padding="same").eval()
    network.load_state_dict({**network.state_dict(), **known.tensors})
    grey = trainer.normalise(trainer.train_images.range(0, 160))
    ours = trainer.network.eval()
    features = [
        net.head(net.layers(net.stem(x))) for net, x in ((network, grey.repeat(1, 3, 1, 1)), (ours, grey))
    ]
    torch.testing.assert_close(features[1], features[0], rtol=1e-3, atol=1e-3)
    assert trainer.normalise.mean.tolist() == [127.0]


def test_a_slice_of_pretrained_weights_has_statistics_of_its_own(known):
    arch = ArchSpec.parse(str(TINY).replace("c16", "c8"))
    trainer = Trainer(SHORT.shrink(arch), dataset(channels=3), SHORT, 0, init=known)
    images = trainer.normalise(trainer.train_images.range(0, 160))
    assert not any(module.frozen for module in trainer.network.modules() if isinstance(module, ConvBN))
    network = trainer.network.eval()
    last = network.layers[-1]
    with torch.no_grad():
        x = network.stem(images)
        for layer in network.layers[:-1]:
            x = layer(x)
        for part in (last.expand, last.depthwise, last.se):
            x = part(x)
        x = last.project[0](x)
    torch.testing.assert_close(last.project[1].running_mean, x.mean((0, 2, 3)), rtol=0.1, atol=0.05)
