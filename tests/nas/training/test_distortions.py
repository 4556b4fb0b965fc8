import itertools

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance, ImageOps
from places import CIFAR

import nas.spec.recipe
from nas.training.distortions import OPERATIONS
from nas.training.policies import AUTOAUGMENT, POLICIES, RANDAUGMENT, SIGNED, TRIVIALAUGMENT, Policy, distort

GREY = (128, 128, 128)
AFFINE = Image.Transform.AFFINE


def point(image, function):
    return image.point([min(255, function(value)) for value in range(256)] * len(image.getbands()))


PILLOW = {
    "rotate": lambda image, degrees: image.rotate(degrees, fillcolor=GREY),
    "shear_x": lambda image, share: image.transform(
        image.size, AFFINE, (1, share, 0, 0, 1, 0), fillcolor=GREY
    ),
    "shear_y": lambda image, share: image.transform(
        image.size, AFFINE, (1, 0, 0, share, 1, 0), fillcolor=GREY
    ),
    "translate_x": lambda image, share: image.transform(
        image.size, AFFINE, (1, 0, share * image.width, 0, 1, 0), fillcolor=GREY
    ),
    "translate_y": lambda image, share: image.transform(
        image.size, AFFINE, (1, 0, 0, 0, 1, share * image.height), fillcolor=GREY
    ),
    "brightness": lambda image, factor: ImageEnhance.Brightness(image).enhance(factor),
    "color": lambda image, factor: ImageEnhance.Color(image).enhance(factor),
    "contrast": lambda image, factor: ImageEnhance.Contrast(image).enhance(factor),
    "sharpness": lambda image, factor: ImageEnhance.Sharpness(image).enhance(factor),
    "posterize": lambda image, bits: ImageOps.posterize(image, int(bits)),
    "solarize": lambda image, threshold: ImageOps.solarize(image, int(threshold)),
    "solarize_add": lambda image, addition: point(
        image, lambda value: value + int(addition) if value < 128 else value
    ),
    "invert": lambda image, _: ImageOps.invert(image),
    "autocontrast": lambda image, _: ImageOps.autocontrast(image),
    "equalize": lambda image, _: ImageOps.equalize(image),
}
MAGNITUDES = {
    "rotate": (-135, -17.3, 0, 24, 27),
    "shear_x": (-0.99, -0.12, 0, 0.27),
    "shear_y": (-0.99, -0.12, 0, 0.27),
    "translate_x": (-0.25, 0, 0.405, 1),
    "translate_y": (-0.25, 0, 0.405, 1),
    "brightness": (0.01, 0.46, 1, 1.9),
    "color": (0.01, 0.28, 1, 1.72),
    "contrast": (0.01, 0.46, 1, 1.9),
    "sharpness": (0.01, 0.46, 1, 1.9),
    "posterize": (1, 2, 4, 7, 8),
    "solarize": (0, 51, 128, 255, 256),
    "solarize_add": (0, 33, 77, 110),
}
ELSEWHERE = 0.03
"""Share of pixels that a geometric operation may take from the next source pixel: those between two."""


@pytest.fixture(scope="module")
def photographs():
    """Real images, uint8 `[8, 32, 32, 3]`."""
    with np.load(CIFAR) as file:
        return file["train_x"][:8]


def apply(name, images, magnitude):
    magnitudes = torch.full((len(images),), float(magnitude))
    return OPERATIONS[name](torch.tensor(images), magnitudes).numpy()


@pytest.mark.parametrize(
    ("name", "magnitude"),
    [(name, magnitude) for name in PILLOW for magnitude in MAGNITUDES.get(name, (0,))],
)
@pytest.mark.parametrize("side", [32, 45])
def test_an_operation_is_pillows(photographs, name, magnitude, side):
    pictures = [Image.fromarray(array).resize((side, side)) for array in photographs]
    ours = apply(name, np.stack([np.asarray(picture) for picture in pictures]), magnitude).astype(int)
    theirs = np.stack([np.asarray(PILLOW[name](picture, magnitude)) for picture in pictures]).astype(int)
    differs = ours != theirs
    if name in SIGNED:
        assert differs.any(-1).mean() <= ELSEWHERE
    else:
        assert np.abs(ours - theirs).max() <= 1
        assert differs.mean() <= 0.01


@pytest.mark.parametrize("name", sorted(set(PILLOW) - {"color"}))
def test_an_operation_on_grey_images_is_pillows(photographs, name):
    grey = np.stack([np.asarray(Image.fromarray(array).convert("L")) for array in photographs])
    magnitude = MAGNITUDES.get(name, (0,))[-1]
    ours = apply(name, grey[..., None], magnitude)[..., 0].astype(int)
    if name in SIGNED:  # Pillow's fill has one value per channel
        pictures = [Image.fromarray(array).convert("RGB") for array in grey]
        theirs = np.stack([np.asarray(PILLOW[name](picture, magnitude))[..., 0] for picture in pictures])
        assert (ours != theirs).mean() <= ELSEWHERE
    else:
        theirs = np.stack([np.asarray(PILLOW[name](Image.fromarray(array), magnitude)) for array in grey])
        assert np.abs(ours - theirs).max() <= 1


def test_colour_leaves_grey_images_as_they_are(photographs):
    grey = photographs[..., :1]
    assert np.array_equal(apply("color", grey, 1.9), grey)


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_treats_each_image_by_its_own_magnitude(photographs, name):
    images = torch.tensor(photographs)
    magnitudes = torch.tensor(
        list(itertools.islice(itertools.cycle(MAGNITUDES.get(name, (0.2,))), 8))
    ).float()
    torch.manual_seed(0)
    together = OPERATIONS[name](images, magnitudes)
    assert together.dtype == torch.uint8
    assert together.shape == images.shape
    if name != "cutout":  # draws a random position
        apart = [OPERATIONS[name](images[i : i + 1], magnitudes[i : i + 1]) for i in range(8)]
        assert torch.equal(together, torch.cat(apart))


@pytest.mark.parametrize("value", [0, 9, 255])
@pytest.mark.parametrize("name", ["autocontrast", "equalize"])
def test_images_of_one_value_have_no_contrast_to_stretch(name, value):
    images = np.full((2, 8, 8, 3), value, np.uint8)
    assert np.array_equal(apply(name, images, 0), images)


def test_cutout_greys_a_square_of_twice_its_reach_or_what_is_left_of_it(photographs):
    torch.manual_seed(0)
    images = np.repeat(np.zeros_like(photographs), 50, 0)
    hidden = apply("cutout", images, 0.25) == 128
    assert set(np.unique(hidden)) == {False, True}
    rows, columns = hidden[..., 0].any(2).sum(1), hidden[..., 0].any(1).sum(1)
    assert hidden[..., 0].sum((1, 2)).tolist() == (rows * columns).tolist()
    assert rows.max() == columns.max() == 16
    assert 8 <= rows.min() < 16


def test_autoaugment_is_the_published_policy():
    """Spot checks of v0 and of its levels: tensorflow/tpu, models/official/efficientnet/autoaugment.py."""
    assert (AUTOAUGMENT.draws, len(AUTOAUGMENT.choices)) == (1, 25)
    assert AUTOAUGMENT.choices[0] == (("equalize", 0.8, 0.0), ("shear_y", 0.8, pytest.approx(0.12)))
    assert AUTOAUGMENT.choices[6] == (("equalize", 0.4, 0.0), ("solarize_add", 0.8, 33))
    assert AUTOAUGMENT.choices[13] == (("solarize", 0.6, 204), ("color", 0.6, pytest.approx(1.72)))
    assert AUTOAUGMENT.choices[15] == (("rotate", 1.0, 21), ("translate_y", 0.8, pytest.approx(0.405)))
    assert AUTOAUGMENT.choices[22] == (("posterize", 0.8, 1), ("solarize", 0.6, 256))
    # How often each operation occurs, first and second.
    counts = [
        sum(step[0] == "equalize" for step in steps) for steps in zip(*AUTOAUGMENT.choices, strict=True)
    ]
    assert counts == [5, 7]
    assert sum(
        probability for choice in AUTOAUGMENT.choices for _, probability, _ in choice
    ) == pytest.approx(29.8)


def test_randaugment_has_two_of_all_16_operations_at_level_10():
    magnitudes = {name: magnitude for ((name, _, magnitude),) in RANDAUGMENT.choices}
    assert RANDAUGMENT.draws == 2
    assert set(magnitudes) == set(OPERATIONS)
    assert len(magnitudes) == 16
    assert magnitudes["rotate"] == 30
    assert magnitudes["posterize"] == 4
    assert magnitudes["color"] == pytest.approx(1.9)


def test_trivialaugment_has_14_operations_at_31_strengths():
    names = [name for ((name, _, _),) in TRIVIALAUGMENT.choices]
    assert len(names) == 14 * 31
    assert {names.count(name) for name in names} == {31}
    strongest = {name: magnitude for ((name, _, magnitude),) in TRIVIALAUGMENT.choices[-14:]}
    assert (strongest["rotate"], strongest["posterize"], strongest["solarize"]) == (135, 2, 0)
    assert (strongest["shear_x"], strongest["color"]) == (0.99, 2.0)


def test_recipes_know_the_policies():
    assert ("none", *POLICIES) == nas.spec.recipe.POLICIES


def planes(count, side=16):
    return torch.randint(0, 256, (count, 3, side, side), dtype=torch.uint8)


@pytest.mark.parametrize("policy", POLICIES)
def test_images_are_distorted_reproducibly_and_their_source_is_left_alone(policy):
    torch.manual_seed(0)
    images = planes(64)
    before = images.clone()
    results = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        results.append(distort(images, POLICIES[policy]))
    assert torch.equal(images, before)
    assert torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])
    assert results[0].shape == images.shape
    assert results[0].dtype == torch.uint8
    assert results[0].is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("name", sorted(SIGNED))
def test_geometry_goes_to_either_side(name):
    images = planes(1).expand(200, -1, -1, -1)
    torch.manual_seed(0)
    seen = distort(images, Policy(1, (((name, 1.0, 0.25),),))).unique(dim=0)
    ours = images[:1].permute(0, 2, 3, 1)
    both = [OPERATIONS[name](ours, torch.tensor([sign * 0.25])).permute(0, 3, 1, 2) for sign in (-1, 1)]
    assert torch.equal(seen, torch.cat(both).unique(dim=0))


def test_each_image_draws_independently_at_the_stated_probabilities():
    """White images: step 1 blackens 30 %; step 2 greys half of the images that draw the first sub-policy."""
    policy = Policy(
        1, ((("invert", 0.3, 0.0), ("cutout", 0.5, 1.0)), (("invert", 0.3, 0.0), ("cutout", 0.0, 0.0)))
    )
    torch.manual_seed(0)
    images = torch.full((4000, 1, 4, 4), 255, dtype=torch.uint8)
    shown = distort(images, policy)[:, 0, 0, 0]
    grey, black, white = ((shown == value).float().mean().item() for value in (128, 0, 255))
    assert grey == pytest.approx(0.25, abs=0.03)
    assert black == pytest.approx(0.75 * 0.3, abs=0.03)
    assert white == pytest.approx(0.75 * 0.7, abs=0.03)
    # An image's draw says nothing about the next one's.
    changed = (shown != 255).float()
    assert abs(np.corrcoef(changed[1:], changed[:-1])[0, 1]) < 0.05


def test_steps_are_taken_in_order():
    """Brightening by 1.9 and then keeping one bit differs from the reverse order."""
    images = torch.full((1, 1, 4, 4), 100, dtype=torch.uint8)
    steps = (("brightness", 1.0, 1.9), ("posterize", 1.0, 1.0))
    assert distort(images, Policy(1, (steps,))).unique().tolist() == [128]
    assert distort(images, Policy(1, (steps[::-1],))).unique().tolist() == [0]
