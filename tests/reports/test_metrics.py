"""Metrics of a classifier: against scikit-learn, and what is undefined."""

import json
import warnings

import numpy as np
import pytest
from sklearn import metrics as sklearn

from reports.metrics import Metrics, calibration_error, measure


def answers(classes, images, seed=0, missing=()):
    """Labels without some classes, and probabilities that favour the right class."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(np.setdiff1d(np.arange(classes), missing), images)
    logits = rng.normal(size=(images, classes)) + 2 * np.eye(classes)[labels]
    shares = np.exp(logits)
    return labels, shares / shares.sum(1, keepdims=True)


@pytest.mark.parametrize(("classes", "images"), [(2, 7), (5, 40), (12, 300)])
def test_metrics_are_those_of_scikit_learn(classes, images):
    labels, shares = answers(classes, images)
    found = measure(labels, shares, [f"class {k}" for k in range(classes)])
    predicted = shares.argmax(1)
    assert found.images == images
    assert found.accuracy == pytest.approx(sklearn.accuracy_score(labels, predicted))
    assert found.balanced_accuracy == pytest.approx(sklearn.balanced_accuracy_score(labels, predicted))
    there = np.unique(labels)
    mean = sklearn.f1_score(labels, predicted, labels=there, average="macro", zero_division=0)
    assert found.macro_f1 == pytest.approx(mean)
    expected = sklearn.precision_recall_fscore_support(
        labels, predicted, labels=range(classes), zero_division=np.nan
    )
    for name, values in zip(("precision", "recall", "f1", "images"), expected, strict=True):
        np.testing.assert_allclose(found.by_class()[name], values)
    matrix = sklearn.confusion_matrix(labels, predicted, labels=range(classes))
    np.testing.assert_array_equal(found.confusion_table().to_numpy(), matrix)
    top = None
    if classes > 5:
        top = pytest.approx(sklearn.top_k_accuracy_score(labels, shares, k=5, labels=range(classes)))
    assert found.top_5_accuracy == top


def test_the_calibration_error_is_the_papers():
    rng = np.random.default_rng(0)
    confidences, right = rng.uniform(0, 1, 1000), rng.uniform(size=1000) < 0.6
    expected = 0.0
    for upper in range(1, 16):
        inside = (confidences > (upper - 1) / 15) & (confidences <= upper / 15)
        expected += inside.mean() * abs(right[inside].mean() - confidences[inside].mean())
    assert calibration_error(confidences, right) == pytest.approx(expected)
    assert calibration_error(np.array([0.0, 1.0]), np.array([False, True])) == 0
    assert calibration_error(np.full(4, 0.75), np.array([True, True, True, False])) == 0


def test_what_is_undefined_is_none_and_no_warning():
    labels = np.array([0, 0, 1, 1])  # nothing of the third class; the second is never predicted
    shares = np.array([[0.8, 0.1, 0.1], [0.2, 0.1, 0.7], [0.6, 0.3, 0.1], [0.6, 0.3, 0.1]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = measure(labels, shares, ["a", "b", "c"])
        rows = found.to_json()["classes"]
    assert [row["precision"] for row in rows] == [pytest.approx(1 / 3), None, 0]
    assert [row["recall"] for row in rows] == [0.5, 0, None]
    assert [row["f1"] for row in rows] == [pytest.approx(0.4), 0, 0]
    assert found.never_predicted == ("b",)
    assert (found.balanced_accuracy, found.macro_f1) == (0.25, pytest.approx(0.2))
    assert list(found.weakest(5)["class"]) == ["b", "a"]
    assert found.confused(1).to_dict("records") == [
        {"class": "b", "taken_for": "a", "images": 2, "share": 1.0}
    ]


def test_equal_probabilities_are_no_right_answer_in_the_top_five():
    found = measure(np.array([7]), np.full((1, 8), 0.125), list("abcdefgh"))
    assert (found.accuracy, found.top_5_accuracy) == (0, 0)


def test_metrics_survive_json():
    found = measure(*answers(7, 50, missing=[3]), list("abcdefg"))
    again = Metrics.from_json(json.loads(json.dumps(found.to_json(), allow_nan=False)))
    assert again.to_json() == found.to_json()
    for damaged in ({}, {**found.to_json(), "confusion": [[1]]}, {**found.to_json(), "classes": 3}):
        with pytest.raises(ValueError, match="must be"):
            Metrics.from_json(damaged)


@pytest.mark.parametrize(
    ("labels", "shape", "line"),
    [
        ([], (0, 2), "labels must be of at least one image"),
        ([0], (1, 3), r"probabilities must be \[1, 2\], got \[1, 3\]"),
        ([2], (1, 2), r"labels must lie in \[0, 1\], got 2 to 2"),
    ],
)
def test_what_does_not_fit_is_refused(labels, shape, line):
    with pytest.raises(ValueError, match=line):
        measure(np.array(labels, np.int64), np.full(shape, 0.5), ["a", "b"])
    with pytest.raises(ValueError, match="probabilities must be finite"):
        measure(np.array([0]), np.array([[np.nan, 1.0]]), ["a", "b"])
