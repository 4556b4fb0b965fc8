"""The options of commands: type, default and help in one place; more are in ``network_options``."""

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
MOVED = "The run's own, named again: it runs without --trust-code, and may be in another place."
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


@dataclass(frozen=True)
class ResumeOptions:
    """Where the images are, and where the trials that are left run; None leaves it as before."""

    data: Annotated[
        str | None,
        Option(show_default="as before", help="Where the same images are now, if they were moved."),
    ] = None
    max_hours: MaxHoursOption = None
    track: Annotated[
        list[str] | None,
        Option(
            metavar=TRACKERS, show_default="as before", help="As for nas search; none goes on without any."
        ),
    ] = None
    trust_code: Annotated[
        bool,
        Option(
            "--trust-code",
            help="Run the run's own code: a space, evaluator, controller or tracker of FILE.py:NAME, a "
            "device's command:PROGRAM.",
        ),
    ] = False
    space: Annotated[str | None, Option(metavar="FILE.py:NAME", show_default="as before", help=MOVED)] = None
    evaluator: Annotated[str | None, Option(metavar="FILE.py:NAME", show_default="as before", help=MOVED)] = (
        None
    )
    workers: Annotated[int | None, Option(show_default="as before", help=AS_SEARCH)] = None
    cpus_per_trial: Annotated[float | None, Option(show_default="as before", help=AS_SEARCH)] = None
    gpus_per_trial: Annotated[float | None, Option(show_default="as before", help=AS_SEARCH)] = None
    address: Annotated[str | None, Option(show_default="as before", help=AS_SEARCH)] = None
    cache_size: Annotated[str | None, Option(metavar="BYTES", show_default="as before", help=AS_SEARCH)] = (
        None
    )
    max_retries: Annotated[int | None, Option(show_default="as before", help=AS_SEARCH)] = None
    trial_timeout: Annotated[str | None, Option(metavar="TIME", show_default="as before", help=AS_SEARCH)] = (
        None
    )


@dataclass(frozen=True)
class AuditOptions:
    """What ``nas audit`` is asked, but for where its training runs are."""

    space: Annotated[str, Option(help="Whose networks are trained, see nas spaces.")] = "mnas"
    data: Annotated[str, Option(help=AS_SEARCH)] = "digits"
    networks: Annotated[int, Option(help="Networks to train, drawn at random.")] = 24
    seeds: Annotated[int, Option(help="Training runs of each network, on as many seeds.")] = 3
    recipe: Annotated[str | None, Option(show_default="proxy; inherit with --init", help=AS_SEARCH)] = None
    proxy: Annotated[
        list[str] | None, Option(metavar=PAIR, help="A field of the recipe, as for nas search.")
    ] = None
    help_proxy: HelpProxyOption = False
    init: InitOption = None
    init_arch: InitArchOption = None
    tune: TuneOption = True
    metric: MetricOption = None
    long: Annotated[
        list[str] | None,
        Option(
            metavar=PAIR,
            help="A field of a longer schedule, e.g. epochs=16; every network is trained by it, too.",
        ),
    ] = None
    long_seeds: Annotated[
        int | None,
        Option(show_default="as --seeds", help="Training runs of each network by the longer schedule."),
    ] = None
    reference: Annotated[
        Path | None,
        Option(metavar="FILE", help="Known accuracies, as for table:FILE; the networks are drawn from it."),
    ] = None
    sample_seed: Annotated[int, Option(help="Seeds the draw of the networks.")] = 0
    seed: Annotated[int, Option(help="Seeds everything else that is random.")] = 0
    track: TrackOption = None
    run: Annotated[Path | None, Option(show_default="runs/TIME-audit", help=NEW_RUN)] = None


@dataclass(frozen=True)
class ReportOptions:
    """What ``nas report`` is asked."""

    runs: Annotated[list[Path], Argument(metavar="RUN...", help="Directories of runs.")]
    as_json: JsonOption = False
    follow: Annotated[
        bool, Option("--follow", help="Refresh while the search runs; ends when it is over.")
    ] = False
    target_flops: Annotated[
        str | None,
        Option(
            metavar="COUNT",
            show_default="the run's",
            help="Rank by another budget T, in the unit of --cost; nothing is trained again.",
        ),
    ] = None
    target: TargetOption = None
    budget: Annotated[
        list[str] | None,
        Option(
            metavar="NAME=VALUE",
            show_default="none",
            help="Name the most accurate network within it, e.g. latency=15ms; several hold together.",
        ),
    ] = None
    exponent: Annotated[float | None, Option(show_default="the run's", help="Rank by another exponent.")] = (
        None
    )
    reward: Annotated[str | None, Option(show_default="the run's", help="Rank by soft, hard or abs.")] = None
    cost: Annotated[str, Option(help="What networks are charged for: flops, params or activations.")] = (
        "flops"
    )
    random: Annotated[
        Path | None,
        Option(
            metavar="RUN",
            show_default="the run's own first trials",
            help="A run of --controller random to compare with.",
        ),
    ] = None
    track: Annotated[
        list[str] | None,
        Option(
            metavar=TRACKERS,
            show_default="none",
            help="Show the run there, too, if it is over: tensorboard, mlflow, wandb, or FILE.py:NAME.",
        ),
    ] = None
    png: Annotated[
        Path | None, Option(metavar="FILE", help="Write the figures: front and progress, or family.")
    ] = None
    svg: Annotated[Path | None, Option(metavar="FILE", help="The same as SVG.")] = None
