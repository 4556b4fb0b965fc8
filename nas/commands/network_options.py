"""The options of ``nas train`` and ``nas scale``, and that of a device."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from nas.commands.fields import print_training
from nas.commands.options import (
    DATA,
    NEW_RUN,
    OWN_DATA,
    PAIR,
    CacheOption,
    ClassWeightsOption,
    HelpProxyOption,
    InitArchOption,
    MetricOption,
    SchedulerOption,
    TrackOption,
    TuneOption,
)

DeviceOption = Annotated[str, Option(help="cpu, cuda, or auto: a GPU if there is one.")]


@dataclass(frozen=True)
class TrainOptions:
    """What ``nas train`` is asked."""

    arch: Annotated[
        str, Argument(metavar="ARCH", help="A preset, a run, RUN:MODEL of a family, a JSON file, or text.")
    ]
    data: Annotated[str | None, Option(show_default="the run's, or digits", help=OWN_DATA)] = None
    init: Annotated[
        str | None,
        Option(
            metavar="NAME|FILE",
            show_default="the run's, or fresh weights",
            help="Pretrained weights: efficientnet-lite0, a .pth or .safetensors FILE, RUN, hf:REPO; none.",
        ),
    ] = None
    init_arch: InitArchOption = None
    teacher: Annotated[
        str | None,
        Option(
            metavar="RUN|ARCH:FILE",
            show_default="RUN/source, if the network is a part of it",
            help="A larger network, trained on the same classes, whose outputs are learned too; none.",
        ),
    ] = None
    recipe: Annotated[
        str | None,
        Option(
            show_default="scratch; finetune with --init, distill with RUN/source",
            help="How it is trained: scratch, finetune (from pretrained weights), distill (and a teacher), "
            "efficientnet (350 epochs) or proxy (short).",
        ),
    ] = None
    fields: Annotated[
        list[str] | None,
        Option(
            "--set",
            metavar=PAIR,
            help="A field of the recipe, e.g. resolution=32, batch_size=128, dropout=0.3.",
        ),
    ] = None
    help_set: Annotated[
        bool,
        Option(
            "--help-set", is_eager=True, callback=print_training, help="Show these fields, and their ranges."
        ),
    ] = False
    epochs: Annotated[
        int | None, Option(show_default="the recipe's", help="Passes over the training images.")
    ] = None
    time: Annotated[
        str | None,
        Option(
            metavar="TIME",
            show_default="as long as the epochs take",
            help="In place of epochs: as many as fit into 90s, 10m, 1.5h or 1h30m. The schedule is whole.",
        ),
    ] = None
    patience: Annotated[
        int | None,
        Option(
            min=1,
            metavar="N",
            show_default="train to the end",
            help="End after N epochs without a higher validation accuracy.",
        ),
    ] = None
    class_weights: ClassWeightsOption = None
    keep: Annotated[
        str, Option(help="Which weights: of the best epoch, by validation accuracy, or of the last.")
    ] = "best"
    seed: Annotated[
        int, Option(help="Seeds everything random; the split of the images too, unless a run has one.")
    ] = 0
    track: TrackOption = None
    run: Annotated[Path | None, Option(show_default="runs/TIME-train", help=NEW_RUN)] = None
    device: DeviceOption = "auto"
    threads: Annotated[
        int | None,
        Option(show_default="the fastest, timed", help="CPU threads of a process; several share all cores."),
    ] = None
    data_parallel: Annotated[
        int,
        Option(metavar="N", help="Processes that share every batch, each on a GPU or on its own threads."),
    ] = 1
    address: Annotated[
        str,
        Option(help="Where those run: local, auto for the running Ray cluster, or HOST:PORT of its head."),
    ] = "local"
    cache_size: CacheOption = "50G"


@dataclass(frozen=True)
class ScaleOptions:
    """What ``nas scale`` is asked, but for where its training runs are."""

    phi: Annotated[float, Option(help="Compare networks of 2^phi times the base's FLOPs.")] = 1.0
    base: Annotated[
        str,
        Option(
            metavar="RUN|ARCH", help="What to scale; a run brings its best network, its data and its recipe."
        ),
    ] = "efficientnet-b0"
    coefficients: Annotated[
        str | None, Option(metavar="A,B,C", help="alpha, beta, gamma, in place of the grid; trains nothing.")
    ] = None
    preset: Annotated[str | None, Option(help="efficientnet: the published table, B0 to B8 and L2.")] = None
    strategy: Annotated[
        str,
        Option(
            metavar="NAME,...",
            help="compound (the grid), depth, width, resolution, dwr or dWr. Several are compared at equal "
            "FLOPs; the family is the first one's.",
        ),
    ] = "compound"
    sweep: Annotated[
        str | None,
        Option(
            metavar="LINES",
            help="Train networks along lines in place of a grid: width,depth,resolution, or "
            "'width | depth=1,2 x resolution=1,1.3'; the paper's: figure3, figure4, figure8, table3, table7.",
        ),
    ] = None
    check: Annotated[
        str | None,
        Option(
            metavar="phi=P|epochs=Nx",
            help="Does the direction last? Ten of the networks again at a larger phi, or with N times the "
            "epochs: phi=2 or epochs=4x.",
        ),
    ] = None
    grid: Annotated[
        list[str] | None,
        Option(
            metavar=PAIR,
            help="step, alpha_max, beta_max, gamma_max, product, tolerance (of it) or flops_tolerance.",
        ),
    ] = None
    seeds: Annotated[
        int | None,
        Option(show_default="2, or 1 with a table or predictor", help="Training runs of each network."),
    ] = None
    scheduler: SchedulerOption = "fifo"
    rounding: Annotated[str, Option(help="How layers are rounded: ceil as published, or round.")] = "ceil"
    multiple: Annotated[int, Option(help="Resolutions are multiples of this, in pixels.")] = 8
    late_depth: Annotated[
        bool,
        Option("--late-depth", help="Add the layers to later stages, like EfficientNetV2; as many in all."),
    ] = False
    target: Annotated[
        str,
        Option(
            metavar="flops|latency",
            help="Networks are compared where this is equal; phi doubles it.",
        ),
    ] = "flops"
    device: Annotated[
        str | None,
        Option(
            show_default="none",
            help="Gives latency, for --target latency and the family: cpu, torch-cpu, cuda, "
            "command:'PROGRAM {onnx}' or table:FILE.",
        ),
    ] = None
    phis: Annotated[
        str, Option(metavar="PHI,...", help="The phi of each model, B0, B1, ...; rising from 0.")
    ] = "0,0.5,1,2,3.5,5,6,7"
    budgets: Annotated[
        str | None,
        Option(
            metavar="FLOPS,...",
            help="In place of phis: after the base, the largest model within each, like 400M,1G,4G.",
        ),
    ] = None
    max_resolution: Annotated[
        int | None,
        Option(min=1, show_default="the images' own", help="No network of grid and family has more pixels."),
    ] = None
    refine: Annotated[
        bool,
        Option(
            "--refine",
            help="Then search the networks around the scaled one, at its FLOPs: does uniform scaling leave "
            "something on the table?",
        ),
    ] = False
    explain: Annotated[
        bool, Option("--explain", help="Show formula, published table and yours, and what rounding did.")
    ] = False
    force: Annotated[bool, Option("--force", help="Take coefficients whose product is far from 2.")] = False
    data: Annotated[str | None, Option(show_default="the base run's, or digits", help=DATA)] = None
    evaluator: Annotated[str, Option(help="train, table:FILE or predictor:FILE.")] = "train"
    proxy: Annotated[
        list[str] | None,
        Option(
            metavar=PAIR,
            show_default="the base run's",
            help="A field of the short training, as for nas search; resolution is the base's.",
        ),
    ] = None
    help_proxy: HelpProxyOption = False
    init: Annotated[
        str | None,
        Option(
            metavar="NAME|FILE", show_default="the base run's", help="Pretrained weights, as for nas search."
        ),
    ] = None
    init_arch: InitArchOption = None
    tune: TuneOption = True
    metric: MetricOption = None
    seed: Annotated[
        int | None, Option(show_default="the base run's, or 0", help="Seeds everything random.")
    ] = None
    track: TrackOption = None
    run: Annotated[Path | None, Option(show_default="runs/TIME-scale", help=NEW_RUN)] = None
