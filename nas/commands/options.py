"""The options of ``nas search``, and those that several commands have: type, default and help in one place.

Options of one command stand beside it; those of train and scale are in ``network_options``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from nas.commands.fields import print_controllers, print_recipe
from nas.commands.values import TRACKERS

DATA = "Images: digits, npz:FILE, folder:DIR (a folder for each class) or hf:NAME (Hugging Face, or files)."
OWN_DATA = f"{DATA.removesuffix('.')}; or your own, FILE.py:NAME."
NEW_RUN = "The run's directory; it must not exist yet."
AS_SEARCH = "As for nas search."
LOCAL = "local; inline with a table or predictor"
PAIR = "NAME=VALUE"

RunArgument = Annotated[Path, Argument(metavar="RUN", help="A run's directory.")]
JsonOption = Annotated[bool, Option("--json", help="Print JSON, for scripts.")]
QuietOption = Annotated[bool, Option("--quiet", "-q", help="Print nothing but errors.")]
CacheOption = Annotated[
    str,
    Option(
        metavar="BYTES",
        help="Room for packed images on this machine, e.g. 200G; the oldest go first. NAS_CACHE says where.",
    ),
]
HelpProxyOption = Annotated[
    bool,
    Option(
        "--help-proxy",
        is_eager=True,
        callback=print_recipe,
        help="Show the recipe's fields, and their ranges.",
    ),
]
InitOption = Annotated[
    str | None,
    Option(
        metavar="NAME|FILE",
        show_default="fresh weights",
        help="Pretrained weights to start with: efficientnet-lite0, .pth or .safetensors FILE, RUN, hf:REPO.",
    ),
]
InitArchOption = Annotated[
    str | None,
    Option(metavar="ARCH", show_default="recognised", help="The network that these weights are of."),
]
MetricOption = Annotated[
    str | None,
    Option(
        show_default="accuracy; soft_accuracy with --init",
        help="What networks are ranked by: accuracy; soft_accuracy, the mean probability of the right class, "
        "which is less noisy; balanced_accuracy or macro_f1, means over classes.",
    ),
]
ClassWeightsOption = Annotated[
    str | None,
    Option(show_default="none", help="balanced: in training, images of rare classes count more."),
]
TuneOption = Annotated[
    bool,
    Option(
        "--tune/--no-tune",
        help="First fine-tune the pretrained network itself on these images, once, and inherit from that.",
    ),
]
TrackOption = Annotated[
    list[str] | None,
    Option(
        metavar=TRACKERS,
        show_default="none",
        help="Where the run is shown, too: tensorboard, mlflow, wandb, or your own listener, FILE.py:NAME.",
    ),
]
MaxHoursOption = Annotated[
    float | None,
    Option(
        metavar="HOURS",
        show_default="no limit",
        help="End within so many hours from now, with fewer trials if need be; nas resume makes the others.",
    ),
]
TargetOption = Annotated[
    list[str] | None,
    Option(
        metavar="NAME=VALUE",
        show_default="none",
        help="A budget: latency=20ms, params=5M^-0.1 (its exponent), or of a column of the table; several "
        "multiply. Your own evaluation may give any. For all budgets (reward pareto), the name alone.",
    ),
]
MaximizeOption = Annotated[
    str | None,
    Option(
        metavar="NAME,...",
        show_default="none",
        help="Measures of your own evaluation, or columns of the table, of which more is better, e.g. f1; "
        "a target of one is the least that is wanted. All others are costs.",
    ),
]
SchedulerOption = Annotated[
    str, Option(help="fifo trains every network to the end; asha stops the weaker ones early.")
]


@dataclass(frozen=True)
class SearchOptions:
    """What ``nas search`` and ``nas plan`` are asked, but for where trials run."""

    space: Annotated[
        str,
        Option(
            help="Search space, see nas spaces; around:ARCH, the networks around a given one; FILE.toml or "
            "FILE.py:NAME, your own; or RUN, as that run."
        ),
    ]
    data: Annotated[str, Option(help=OWN_DATA)] = "digits"
    trials: Annotated[
        int | None, Option(show_default="24, or 1000 with a table or predictor", help="Networks to propose.")
    ] = None
    max_hours: MaxHoursOption = None
    target_flops: Annotated[
        str | None,
        Option(
            metavar="COUNT",
            show_default="400M; those of ARCH around it",
            help="The budget T, in multiply-adds.",
        ),
    ] = None
    target: TargetOption = None
    maximize: MaximizeOption = None
    device: Annotated[
        str | None,
        Option(
            metavar="DEVICE",
            show_default="none",
            help="Gives latency: table:FILE or predictor:FILE; or measures it in each trial, as nas measure "
            "does: cpu, torch-cpu, cuda, command:'PROGRAM {onnx}'.",
        ),
    ] = None
    exponent: Annotated[
        float | None,
        Option(show_default="-0.07, hard: -1", help="How much cost counts against accuracy."),
    ] = None
    reward: Annotated[
        str,
        Option(
            help="soft: ACC x (FLOPs/T)^w. hard: the same above T, free below. abs: ACC + w |FLOPs/T - 1|. "
            "pareto: no T, the best networks for all budgets."
        ),
    ] = "soft"
    controller: Annotated[
        str,
        Option(
            help="Who proposes: dyna (an RNN with a model of accuracy), rnn (PPO), evolution, random, or "
            "optuna:TPESampler and others of Optuna, or your own, FILE.py:NAME."
        ),
    ] = "dyna"
    controller_settings: Annotated[
        list[str] | None,
        Option("--set", metavar=PAIR, help="A setting of the controller, e.g. initial=20."),
    ] = None
    help_set: Annotated[
        bool,
        Option(
            "--help-set", is_eager=True, callback=print_controllers, help="Show every controller's settings."
        ),
    ] = False
    evaluator: Annotated[
        str,
        Option(
            help="Where accuracies come from: train, table:FILE, predictor:FILE (a regression on a table) or "
            "FILE.py:NAME, your own function."
        ),
    ] = "train"
    recipe: Annotated[
        str | None,
        Option(
            show_default="proxy; inherit with --init",
            help="How each network is trained: proxy (short), inherit (pretrained), or those of nas train.",
        ),
    ] = None
    proxy: Annotated[
        list[str] | None,
        Option(
            metavar=PAIR, help="A field of the recipe, e.g. epochs=4, width=0.5, resolution=32, fraction=0.5."
        ),
    ] = None
    help_proxy: HelpProxyOption = False
    init: InitOption = None
    init_arch: InitArchOption = None
    tune: TuneOption = True
    metric: MetricOption = None
    class_weights: ClassWeightsOption = None
    scheduler: SchedulerOption = "fifo"
    confirm: Annotated[
        int, Option(help="How many of the best networks to train again at the end, before one is chosen.")
    ] = 3
    confirm_seeds: Annotated[
        int, Option(help="Fresh seeds for each of these; two or more measure the noise of a seed.")
    ] = 2
    baseline: Annotated[
        str | None,
        Option(
            metavar="ARCH,...",
            show_default="the space's published ones",
            help="Known networks to train beside the confirmed ones, and to compare with; or none. Where "
            "your own space has no ARCH, by decisions: 'model=svc C=1, model=knn neighbors=3'.",
        ),
    ] = None
    seed: Annotated[int, Option(help="Seeds everything random in the run.")] = 0
    track: TrackOption = None
    run: Annotated[Path | None, Option(show_default="runs/TIME-SPACE", help=NEW_RUN)] = None


@dataclass(frozen=True)
class ResourceOptions:
    """Where trials run, and what each is given."""

    workers: Annotated[int | None, Option(show_default="as many as fit", help="Trials at a time.")] = None
    cpus_per_trial: Annotated[float, Option(help="CPUs of a trial; it has a thread for each whole one.")] = (
        1.0
    )
    gpus_per_trial: Annotated[
        float | None,
        Option(show_default="1 where there are GPUs", help="GPUs of a trial; 0.25 lets four share one."),
    ] = None
    address: Annotated[
        str | None,
        Option(
            show_default=LOCAL,
            help="local: Ray on this machine. auto: the cluster that runs on it. HOST:PORT: one by its head. "
            "inline: no Ray, one at a time.",
        ),
    ] = None
    cache_size: CacheOption = "50G"
    max_retries: Annotated[
        int, Option(help="How often a trial whose worker dies or hangs runs again, elsewhere if possible.")
    ] = 3
    trial_timeout: Annotated[
        str | None,
        Option(
            metavar="TIME",
            show_default="10 times the longest so far",
            help="A trial that takes longer has failed; 90s, 10m or 1h30m.",
        ),
    ] = None
