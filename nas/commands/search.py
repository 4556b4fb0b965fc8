"""``nas search``: the best network of a space."""

from __future__ import annotations

import time
from pathlib import Path

from nas.commands.options import (
    AddressOption,
    CacheOption,
    ConfirmOption,
    ConfirmSeedsOption,
    ControllerOption,
    CpusOption,
    DataOption,
    EvaluatorOption,
    ExponentOption,
    GpusOption,
    NewRunOption,
    ProxyOption,
    QuietOption,
    RecipeOption,
    RewardOption,
    SchedulerOption,
    SeedOption,
    SetOption,
    SpaceOption,
    TargetOption,
    TrialsOption,
    WorkersOption,
    interruptible,
    search_settings,
)


def search(
    space: SpaceOption,
    data: DataOption = "digits",
    trials: TrialsOption = None,
    target_flops: TargetOption = "400M",
    exponent: ExponentOption = None,
    reward: RewardOption = "soft",
    controller: ControllerOption = "dyna",
    controller_settings: SetOption = None,
    evaluator: EvaluatorOption = "train",
    recipe: RecipeOption = "proxy",
    proxy: ProxyOption = None,
    scheduler: SchedulerOption = "fifo",
    confirm: ConfirmOption = 3,
    confirm_seeds: ConfirmSeedsOption = 2,
    seed: SeedOption = 0,
    run: NewRunOption = None,
    workers: WorkersOption = None,
    cpus_per_trial: CpusOption = 1.0,
    gpus_per_trial: GpusOption = None,
    address: AddressOption = None,
    cache_size: CacheOption = "50G",
    quiet: QuietOption = False,
) -> None:
    """Search a space for the best network: propose, train, reward, learn.

    Example: nas search --space mnas
    """
    from nas.launch import launch
    from nas.screens.progress import Screen
    from nas.screens.views import print_report

    settings = search_settings(
        space=space,
        data=data,
        trials=trials,
        target_flops=target_flops,
        exponent=exponent,
        reward=reward,
        controller=controller,
        controller_settings=controller_settings,
        evaluator=evaluator,
        recipe=recipe,
        proxy=proxy,
        scheduler=scheduler,
        confirm=confirm,
        confirm_seeds=confirm_seeds,
        seed=seed,
        workers=workers,
        cpus_per_trial=cpus_per_trial,
        gpus_per_trial=gpus_per_trial,
        address=address,
        cache_size=cache_size,
    )
    directory = run or Path("runs") / f"{time.strftime('%Y%m%d-%H%M%S')}-{space}"
    with Screen(quiet=quiet) as screen, interruptible(directory, screen.say):
        print_report(screen.console, launch.start(settings, directory, screen))
