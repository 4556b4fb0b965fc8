import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

import nas.training.augment
from nas.data import Part
from nas.spec.recipe import CROPS, MARGIN, POLICIES, Recipe, enlarged
from nas.training.augment import LEAST_AREA, augment, flip, mix, padded_crop, random_resized_crop
from nas.training.pixels import Pixels, fit
from nas.training.policies import distort

CLASSES = 5
recipes = st.builds(
    Recipe,
    crop=st.sampled_from(CROPS),
    flip=st.booleans(),
    policy=st.sampled_from(POLICIES),
    mixup=st.sampled_from([0.0, 0.2, 1.0]),
    cutmix=st.sampled_from([0.0, 1.0]),
)


def batch(count=6, channels=3, side=16, seed=0):
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (count, channels, side, side), dtype=torch.uint8, generator=generator)
    return images.contiguous(memory_format=torch.channels_last), torch.arange(count) % CLASSES


def ramp(height, width):
    """An image whose first channel is each pixel's y and whose second is its x, uint8 `[2, H, W]`."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return torch.stack([y, x]).to(torch.uint8)


@settings(max_examples=60, deadline=None)
@given(
    recipe=recipes,
    count=st.integers(1, 7),
    channels=st.sampled_from([1, 3]),
    side=st.integers(8, 24),
    seed=st.integers(0, 5),
)
def test_a_batch_keeps_its_shape_its_range_and_its_classes(recipe, count, channels, side, seed):
    resolution = 16 if recipe.crop == "random_resized" else side
    images, labels = batch(count, channels, side, seed)
    before = images.clone()
    torch.manual_seed(seed)
    augmented, target = augment(images, labels, recipe, resolution, CLASSES)
    assert torch.equal(images, before)
    assert augmented.shape == (count, channels, resolution, resolution)
    assert augmented.dtype in (torch.uint8, torch.float32)
    assert augmented.min() >= 0
    assert augmented.max() <= 255
    if recipe.mixup or recipe.cutmix:
        assert target.shape == (count, CLASSES)
        assert target.sum(1).tolist() == pytest.approx([1] * count)
        assert target.min() >= 0
    else:
        assert torch.equal(target, labels)
    torch.manual_seed(seed)
    again = augment(images, labels, recipe, resolution, CLASSES)
    assert torch.equal(augmented, again[0])
    assert torch.equal(target, again[1])


def test_nothing_is_done_where_all_is_off():
    images, labels = batch()
    torch.manual_seed(0)
    state = torch.get_rng_state()
    augmented, target = augment(images, labels, Recipe(), 16, CLASSES)
    assert augmented is images
    assert target is labels
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("crop", CROPS)
@pytest.mark.parametrize(("mixup", "cutmix"), [(0.0, 0.0), (0.2, 0.0), (0.0, 1.0), (0.2, 1.0)])
def test_without_a_policy_no_step_waits_for_the_device(crop, mixup, cutmix, monkeypatch):
    """Meta tensors raise wherever a value is read, which is where CUDA graphs cannot be captured."""
    monkeypatch.setattr(
        nas.training.augment, "_beta", lambda alpha, device: torch.rand((), device=device)
    )  # torch has no such draw on meta
    images = torch.empty(6, 3, 18, 18, dtype=torch.uint8, device="meta")
    labels = torch.empty(6, dtype=torch.int64, device="meta")
    recipe = Recipe(crop=crop, flip=True, mixup=mixup, cutmix=cutmix)
    augmented, target = augment(images, labels, recipe, 18, CLASSES)
    assert augmented.shape == images.shape
    assert target.shape == ((6, CLASSES) if mixup or cutmix else (6,))


def test_half_of_the_images_are_mirrored_and_the_others_left():
    images = ramp(4, 4).expand(2000, -1, -1, -1)
    torch.manual_seed(0)
    seen = flip(images)
    mirrored = (seen == images.flip(3)).flatten(1).all(1)
    assert torch.equal(seen[~mirrored], images[~mirrored])
    assert mirrored.float().mean() == pytest.approx(0.5, abs=0.04)


def test_mirroring_twice_in_the_same_way_gives_the_original():
    images, _ = batch()
    torch.manual_seed(0)
    once = flip(images)
    torch.manual_seed(0)
    assert torch.equal(flip(once), images)
    assert not torch.equal(once, images)


def test_a_padded_crop_is_the_reflected_image_moved_by_up_to_the_padding():
    pad, side = 2, 16
    images, _ = batch(count=300, side=side)
    torch.manual_seed(0)
    crops = padded_crop(images, pad)
    reflected = F.pad(images.float(), (pad, pad, pad, pad), mode="reflect").to(torch.uint8)
    shifts = []
    for crop, padded, image in zip(crops, reflected, images, strict=True):
        found = [
            (y, x)
            for y in range(2 * pad + 1)
            for x in range(2 * pad + 1)
            if torch.equal(crop, padded[:, y : y + side, x : x + side])
        ]
        assert len(found) == 1
        y, x = found[0][0] - pad, found[0][1] - pad
        # The part of the image that the crop kept is shifted in it.
        kept = crop[:, max(0, -y) : side - max(0, y), max(0, -x) : side - max(0, x)]
        assert torch.equal(kept, image[:, max(0, y) : side + min(0, y), max(0, x) : side + min(0, x)])
        shifts.append((y, x))
    assert len(set(shifts)) == (2 * pad + 1) ** 2


def test_a_padded_crop_moves_by_an_eighth_of_the_resolution():
    images = ramp(32, 32).expand(500, -1, -1, -1)
    torch.manual_seed(0)
    crops, _ = augment(images, torch.zeros(500), Recipe(crop="padded"), 32, CLASSES)
    middle = crops[:, :, 16, 16].int() - 16
    assert (middle.min().item(), middle.max().item()) == (-4, 4)


def corners(count, height, width):
    """Random-resized crops, as measured on a ramp: top, left, height, width as shares, `[count]` each."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    places = torch.stack([(y + 0.5) / height, (x + 0.5) / width]).expand(count, -1, -1, -1)
    crops = random_resized_crop(100 * places, 32) / 100
    # Pixels 4 and 27, 23 apart: pixels at an edge lack neighbours for interpolation.
    h, w = ((crops[:, i, 27, 27] - crops[:, i, 4, 4]) * 32 / 23 for i in (0, 1))
    top, left = ((crops[:, i, 4, 4] + crops[:, i, 27, 27] - size) / 2 for i, size in ((0, h), (1, w)))
    return top, left, h, w


@pytest.mark.parametrize(("height", "width"), [(64, 64), (60, 90)])
def test_random_resized_crops_have_the_published_areas_and_aspects(height, width):
    torch.manual_seed(0)
    top, left, h, w = corners(4000, height, width)
    assert min(top.min(), left.min()) > -0.01
    assert max((top + h).max(), (left + w).max()) < 1.01
    area, aspect = h * w, w * width / (h * height)
    assert area.min().item() == pytest.approx(LEAST_AREA, abs=0.01)
    assert area.max().item() == pytest.approx(1 if height == width else 4 / 3 * 60 / 90, abs=0.04)
    assert aspect.min().item() == pytest.approx(3 / 4, abs=0.02)
    assert aspect.max().item() == pytest.approx(4 / 3, abs=0.02)
    # Heights are uniform between their bounds, given the aspect ratio; aspect ratios are uniform.
    lowest = (LEAST_AREA / aspect * width / height).sqrt()
    highest = (width / aspect / height).clamp_max(1)
    for uniform in ((h - lowest) / (highest - lowest), (aspect - 3 / 4) / (4 / 3 - 3 / 4)):
        assert np.quantile(uniform, [0.1, 0.5, 0.9]) == pytest.approx([0.1, 0.5, 0.9], abs=0.03)


def test_a_random_resized_crop_shows_what_bicubic_resizing_shows():
    """A crop of the whole image is the resized image."""
    images, _ = batch(count=1, side=12)

    def whole(*shape, **_):
        # aspect ratio 1, full height, centred
        return torch.tensor([(1 - 3 / 4) / (4 / 3 - 3 / 4), 1.0, 0.5, 0.5])[:, None]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "rand", whole)
        crop = random_resized_crop(images, 18)
    resized = F.interpolate(images.float(), (18, 18), mode="bicubic", align_corners=False).clamp(0, 255)
    assert torch.allclose(crop, resized, atol=0.01)


@pytest.mark.parametrize("recipe", [Recipe(mixup=0.4), Recipe(cutmix=1.0), Recipe(mixup=0.4, cutmix=1.0)])
def test_an_image_is_mixed_with_another_as_its_label_says(recipe):
    images, labels = batch(count=5)
    pixels, previous = images.float(), images.float().roll(1, 0)
    ways = set()
    for seed in range(40):
        torch.manual_seed(seed)
        mixed, target = augment(images, labels, recipe, 16, CLASSES)
        share = target[0, 0]  # the five images have distinct classes
        assert torch.allclose(target, torch.eye(5) * share + torch.eye(5).roll(1, 0) * (1 - share), atol=1e-6)
        if torch.allclose(mixed, previous.lerp(pixels, share), atol=1e-3):
            ways.add("mixup")
        else:
            own = (mixed == pixels).all(1)
            assert ((mixed == previous).all(1) | own).all()
            assert own.float().mean((1, 2)).tolist() == pytest.approx([share.item()] * 5, abs=0.01)
            ways.add("cutmix")
    assert ways >= {way for way in ("mixup", "cutmix") if getattr(recipe, way)}


def test_a_box_of_cutmix_is_a_rectangle_of_at_most_the_drawn_area():
    for seed in range(30):
        torch.manual_seed(seed)
        images = torch.stack([torch.zeros(1, 20, 20), torch.ones(1, 20, 20)])
        mixed, _ = mix(images, torch.tensor([0, 1]), 0.0, 1.0, 2)
        box = mixed[0, 0].bool()
        assert box.sum() == box.any(0).sum() * box.any(1).sum()
        torch.manual_seed(seed)
        side = 20 * (1 - nas.training.augment._beta(1.0, torch.device("cpu"))).sqrt()
        assert max(box.any(0).sum(), box.any(1).sum()) <= side + 1


def test_shares_of_mixup_follow_the_beta_distribution():
    torch.manual_seed(0)
    draws = torch.stack([nas.training.augment._beta(0.5, torch.device("cpu")) for _ in range(4000)])
    assert draws.mean().item() == pytest.approx(0.5, abs=0.02)
    assert draws.var().item() == pytest.approx(1 / (4 * (2 * 0.5 + 1)), abs=0.01)  # 1 / (4 (2 alpha + 1))


@pytest.mark.parametrize(
    "change",
    [
        flip,
        lambda images: padded_crop(images, 2),
        lambda images: random_resized_crop(images, 16),
        *(
            lambda images, name=name: distort(images, nas.training.augment.POLICIES[name]).float()
            for name in nas.training.augment.POLICIES
        ),
    ],
)
def test_what_happens_to_an_image_does_not_depend_on_the_others(change):
    """Among black images or among white ones, the mean of an image over many draws is the same."""
    image, _ = batch(count=1, side=16, seed=4)
    means = []
    for others in (0, 255):
        images = torch.full((3000, 3, 16, 16), others, dtype=torch.uint8)
        images[::2] = image[0]
        torch.manual_seed(others)
        means.append(change(images)[::2].float().mean(0))
    spread = change(image.expand(3000, -1, -1, -1)).float().std(0)
    assert ((means[0] - means[1]).abs() <= 6 * spread * (2 / 1500) ** 0.5 + 1e-3).all()


def test_crops_are_cut_from_images_that_are_larger_by_32_in_224():
    assert [enlarged(side) for side in (224, 112, 32)] == [256, 128, 37]
    assert enlarged(224) / 224 == pytest.approx(1 + MARGIN)


def test_the_centre_of_larger_images_is_evaluated():
    image = ramp(256, 256)[None]
    centre = fit(image, 224, "centre")
    assert torch.equal(centre, image[:, :, 16:240, 16:240])
    assert torch.equal(fit(image, 224, "margin"), image)


@pytest.mark.parametrize("side", [24, 32, 36])
def test_all_of_small_images_is_evaluated(side):
    images, _ = batch(side=side)
    assert torch.equal(fit(images, 32, "centre"), fit(images, 32, "whole"))
    assert torch.equal(fit(images, 32, "margin"), images)


def test_much_larger_images_are_made_smaller_before_they_are_cropped():
    images = torch.full((2, 3, 100, 80), 9, dtype=torch.uint8)
    assert fit(images, 32, "margin").shape == (2, 3, 37, 37)
    assert fit(images, 32, "centre").shape == (2, 3, 32, 32)
    assert fit(images, 32, "whole").shape == (2, 3, 32, 32)


@pytest.mark.parametrize("view", ["whole", "margin", "centre"])
def test_batches_are_the_same_whether_images_fit_on_the_device_or_not(view, monkeypatch):
    rng = np.random.default_rng(0)
    part = Part(rng.integers(0, 256, (9, 40, 40, 3), np.uint8), np.arange(9))
    resident = Pixels(part, "cpu", 32, view=view)
    monkeypatch.setattr(Pixels, "_fits", lambda self, size: False)
    sent = Pixels(part, "cpu", 32, view=view)
    order = torch.tensor([3, 0, 8, 1, 5])
    for one, other in zip(sent.batches(order, 2), resident.batches(order, 2), strict=True):
        assert torch.equal(one[0], other[0])
        assert torch.equal(one[1], other[1])
    assert torch.equal(sent.range(2, 7), resident.range(2, 7))
