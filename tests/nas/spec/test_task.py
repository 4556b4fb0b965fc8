"""The resolution of networks and families follows from the images there are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.spec.task import Task, family_limit, full_resolution

PIXELS = st.integers(1, 4000)


@pytest.mark.parametrize(
    ("own", "image_size", "proxy", "expected"),
    [
        (224, 500, 32, 224),  # photos: the network's own
        (224, 96, 32, 96),  # small images: no more than they have
        (224, 28, 32, 32),  # smaller than the proxy, which enlarges them
        (224, 48, 0, 48),  # the recipe takes the network's own resolution
        (224, 0, 32, 224),  # drawn images have no size of their own
        (32, 500, 32, 32),
    ],
)
def test_a_network_ends_at_its_own_resolution_or_that_of_smaller_images(own, image_size, proxy, expected):
    assert full_resolution(own, image_size, proxy) == expected


@given(PIXELS, PIXELS, st.integers(0, 4000))
def test_no_network_grows_and_none_is_smaller_than_both_images_and_proxy(own, image_size, proxy):
    found = full_resolution(own, image_size, proxy)
    assert min(own, image_size) <= found <= own
    assert full_resolution(found, image_size, proxy) == found


def test_a_family_is_limited_by_images_that_its_base_does_not_exceed():
    assert family_limit(224, 300) == 300
    assert family_limit(224, 224) == 224
    assert family_limit(224, 32) is None
    assert family_limit(224, 0) is None


def test_a_task_has_classes():
    with pytest.raises(ValueError, match="classes must be at least 1, got 0"):
        Task(classes=0)
