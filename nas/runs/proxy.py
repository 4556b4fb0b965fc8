"""What each candidate of a run is really trained on, in words."""

from __future__ import annotations

from nas.spec.recipe import tested_metric
from nas.spec.settings import Settings
from nas.spec.task import Task
from reports.numbers import percent

WIDTHS = {1.0: "full width", 0.5: "half its width", 0.25: "a quarter of its width"}


MEANS = {
    "soft_accuracy": "soft accuracy, the mean probability of the right class",
    "balanced_accuracy": "balanced accuracy, the mean recall of the classes",
    "macro_f1": "macro F1, the mean F1 of the classes",
}
"""What the accuracy of a trial is, by the recipe's ``metric``."""


def measured(settings: Settings, *, test: bool = False) -> str:
    """What the accuracy of a trial is, or that on test images, in a word or two, such as ``macro F1``."""
    metric = settings.recipe.metric
    return MEANS.get(tested_metric(metric) if test else metric, "accuracy").partition(",")[0]


def proxy_line(settings: Settings) -> str | None:
    """``Each candidate: 32 px, a quarter of its width, 6 epochs of 968 images, judged on 242.``

    It begins with the pretrained weights, if there are any.

    None where nothing is trained, and of a run that trains one network to the end.
    """
    if settings.evaluator != "train" or settings.kind == "training":
        return None
    recipe, task = settings.recipe, settings.task or Task()
    size = f"{recipe.resolution} px" if recipe.resolution else "its own resolution"
    if recipe.resolution and settings.reference:
        whose = "the base's" if settings.scaling else "the largest networks'"
        size += f" for {whose} {settings.reference}"
    width = WIDTHS.get(recipe.width, f"{recipe.width:g} of its width")
    images = "all images" if recipe.fraction == 1 else f"{percent(recipe.fraction)} of the images"
    if task.train:
        images = f"{max(2, round(recipe.fraction * task.train)):,} images, judged on {task.valid:,}"
    epochs = f"{recipe.epochs} epoch{'s' * (recipe.epochs != 1)} of {images}"
    tuned = ", fine-tuned on these images" * (settings.tuned is not None)
    begun = f"slices of the weights of {settings.init.name}{tuned}, " if settings.init else ""
    line = f"Each candidate: {begun}{size}, {width}, {epochs}."
    if recipe.metric != "accuracy":
        line += f" What is called accuracy is {MEANS[recipe.metric]}."
    return line if settings.task is None else f"{line} {costs_sentence(settings)}"


def costs_sentence(settings: Settings) -> str:
    """At which resolution, and with how many classes, FLOPs and parameters are counted."""
    task = settings.task or Task()
    several = settings.reference is not None and not settings.scaling
    at = f"at {'up to ' * several}{task.resolution} px, " if task.resolution else ""
    return f"FLOPs and parameters are counted {at}with {task.classes:,} classes."
