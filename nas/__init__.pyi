# Written by scripts/stub from the options of the commands; do not edit.
"""Neural architecture search and compound scaling: the commands as functions, and runs to read."""

from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from typing import Any

from nas.errors import InputError as InputError
from nas.errors import NasError as NasError
from nas.errors import RunError as RunError
from nas.runs.run import Run as Run
from nas.runs.run import open_run as open_run
from nas.spec.listener import Listener as Listener
from nas.spec.objective import Objective as Objective
from nas.spec.trial import Epoch as Epoch
from nas.spec.trial import Trial as Trial
from nas.training.classifier import load_classifier as load_classifier
from search_spaces import ArchSpec, SearchSpace

__version__: str

def search(
    space: str | SearchSpace = ...,
    *,
    data: str | Any = 'digits',
    trials: int | None = None,
    max_hours: float | None = None,
    target_flops: str | float | None = None,
    target: Mapping[str, object] | Sequence[str] | None = None,
    maximize: str | Sequence[str] | None = None,
    device: str | None = None,
    exponent: float | None = None,
    reward: str = 'soft',
    controller: str = 'dyna',
    controller_settings: Mapping[str, object] | Sequence[str] | None = None,
    evaluator: str | Callable[[Any, Trial], object] = 'train',
    recipe: str | None = None,
    proxy: Mapping[str, object] | Sequence[str] | None = None,
    init: str | None = None,
    init_arch: str | PathLike[str] | Run | ArchSpec | None = None,
    tune: bool = True,
    metric: str | None = None,
    class_weights: str | None = None,
    scheduler: str = 'fifo',
    confirm: int = 3,
    confirm_seeds: int = 2,
    baseline: str | Sequence[str | ArchSpec] | None = None,
    seed: int = 0,
    track: str | Listener | Sequence[str | Listener] | None = None,
    run: str | PathLike[str] | None = None,
    workers: int | None = None,
    cpus_per_trial: float = 1.0,
    gpus_per_trial: float | None = None,
    address: str | None = None,
    cache_size: str | float = '50G',
    max_retries: int = 3,
    trial_timeout: str | float | None = None,
    quiet: bool = False,
    config: str | PathLike[str] | Mapping[str, object] | None = None,
    like: str | PathLike[str] | Run | None = None,
) -> Run:
    """Searches a space for the best network: proposes, trains, rewards, learns.

    Args:
        space: Search space, see nas spaces; around:ARCH, the networks around a given one; FILE.toml or
            FILE.py:NAME, your own; or RUN, as that run.
        data: Images: digits, npz:FILE, folder:DIR (a folder for each class) or hf:NAME (Hugging Face, or
            files); or your own, FILE.py:NAME.
        trials: Networks to propose. (default: 24, or 1000 with a table or predictor)
        max_hours: End within so many hours from now, with fewer trials if need be; nas resume makes the
            others. (default: no limit)
        target_flops: The budget T, in multiply-adds. (default: 400M; those of ARCH around it)
        target: A budget: latency=20ms, params=5M^-0.1 (its exponent), or of a column of the table; several
            multiply. Your own evaluation may give any. For all budgets (reward pareto), the name alone.
            (default: none)
        maximize: Measures of your own evaluation, or columns of the table, of which more is better, e.g. f1;
            a target of one is the least that is wanted. All others are costs. (default: none)
        device: Gives latency: table:FILE or predictor:FILE; or measures it in each trial, as nas measure
            does: cpu, torch-cpu, cuda, command:'PROGRAM {onnx}'. (default: none)
        exponent: How much cost counts against accuracy. (default: -0.07, hard: -1)
        reward: soft: ACC x (FLOPs/T)^w. hard: the same above T, free below. abs: ACC + w |FLOPs/T - 1|.
            pareto: no T, the best networks for all budgets.
        controller: Who proposes: dyna (an RNN with a model of accuracy), rnn (PPO), evolution, random, or
            optuna:TPESampler and others of Optuna, or your own, FILE.py:NAME.
        controller_settings: A setting of the controller, e.g. initial=20.
        evaluator: Where accuracies come from: train, table:FILE, predictor:FILE (a regression on a table) or
            FILE.py:NAME, your own function.
        recipe: How each network is trained: proxy (short), inherit (pretrained), or those of nas train.
            (default: proxy; inherit with init)
        proxy: A field of the recipe, e.g. epochs=4, width=0.5, resolution=32, fraction=0.5.
        init: Pretrained weights to start with: efficientnet-lite0, .pth or .safetensors FILE, RUN, hf:REPO.
            (default: fresh weights)
        init_arch: The network that these weights are of. (default: recognised)
        tune: First fine-tune the pretrained network itself on these images, once, and inherit from that.
        metric: What networks are ranked by: accuracy; soft_accuracy, the mean probability of the right class,
            which is less noisy; balanced_accuracy or macro_f1, means over classes. (default: accuracy;
            soft_accuracy with init)
        class_weights: balanced: in training, images of rare classes count more. (default: none)
        scheduler: fifo trains every network to the end; asha stops the weaker ones early.
        confirm: How many of the best networks to train again at the end, before one is chosen.
        confirm_seeds: Fresh seeds for each of these; two or more measure the noise of a seed.
        baseline: Known networks to train beside the confirmed ones, and to compare with; or none. Where your
            own space has no ARCH, by decisions: 'model=svc C=1, model=knn neighbors=3'. (default: the space's
            published ones)
        seed: Seeds everything random in the run.
        track: Where the run is shown, too: tensorboard, mlflow, wandb, or your own listener, FILE.py:NAME.
            (default: none)
        run: The run's directory; it must not exist yet. (default: runs/TIME-SPACE)
        workers: Trials at a time. (default: as many as fit)
        cpus_per_trial: CPUs of a trial; it has a thread for each whole one.
        gpus_per_trial: GPUs of a trial; 0.25 lets four share one. (default: 1 where there are GPUs)
        address: local: Ray on this machine. auto: the cluster that runs on it. HOST:PORT: one by its head.
            inline: no Ray, one at a time. (default: local; inline with a table or predictor)
        cache_size: Room for packed images on this machine, e.g. 200G; the oldest go first. NAS_CACHE says
            where.
        max_retries: How often a trial whose worker dies or hangs runs again, elsewhere if possible.
        trial_timeout: A trial that takes longer has failed; 90s, 10m or 1h30m. (default: 10 times the longest
            so far)
        quiet: Print nothing but errors.
        config: Arguments that are not given: a mapping, or a TOML file of options.
        like: Repeat a search: its arguments in place of the defaults, but for run and max_hours.
    """

def scale(
    *,
    phi: float = 1.0,
    base: str | PathLike[str] | Run | ArchSpec = 'efficientnet-b0',
    coefficients: str | Sequence[str | float] | None = None,
    preset: str | None = None,
    strategy: str | Sequence[str] = 'compound',
    sweep: str | Sequence[str] | None = None,
    check: str | None = None,
    grid: Mapping[str, object] | Sequence[str] | None = None,
    seeds: int | None = None,
    scheduler: str = 'fifo',
    rounding: str = 'ceil',
    multiple: int = 8,
    late_depth: bool = False,
    target: str = 'flops',
    device: str | None = None,
    phis: str | Sequence[str | float] = '0,0.5,1,2,3.5,5,6,7',
    budgets: str | Sequence[str | float] | None = None,
    max_resolution: int | None = None,
    refine: bool = False,
    explain: bool = False,
    force: bool = False,
    data: str | None = None,
    evaluator: str = 'train',
    proxy: Mapping[str, object] | Sequence[str] | None = None,
    init: str | None = None,
    init_arch: str | PathLike[str] | Run | ArchSpec | None = None,
    tune: bool = True,
    metric: str | None = None,
    seed: int | None = None,
    track: str | Listener | Sequence[str | Listener] | None = None,
    run: str | PathLike[str] | None = None,
    workers: int | None = None,
    cpus_per_trial: float = 1.0,
    gpus_per_trial: float | None = None,
    address: str | None = None,
    cache_size: str | float = '50G',
    max_retries: int = 3,
    trial_timeout: str | float | None = None,
    quiet: bool = False,
    config: str | PathLike[str] | Mapping[str, object] | None = None,
) -> Run:
    """Scales a network to a family: finds alpha, beta and gamma on a grid, then emits B0 to B7.

    Args:
        phi: Compare networks of 2^phi times the base's FLOPs.
        base: What to scale; a run brings its best network, its data and its recipe.
        coefficients: alpha, beta, gamma, in place of the grid; trains nothing.
        preset: efficientnet: the published table, B0 to B8 and L2.
        strategy: compound (the grid), depth, width, resolution, dwr or dWr. Several are compared at equal
            FLOPs; the family is the first one's.
        sweep: Train networks along lines in place of a grid: width,depth,resolution, or 'width | depth=1,2 x
            resolution=1,1.3'; the paper's: figure3, figure4, figure8, table3, table7.
        check: Does the direction last? Ten of the networks again at a larger phi, or with N times the epochs:
            phi=2 or epochs=4x.
        grid: step, alpha_max, beta_max, gamma_max, product, tolerance (of it) or flops_tolerance.
        seeds: Training runs of each network. (default: 2, or 1 with a table or predictor)
        scheduler: fifo trains every network to the end; asha stops the weaker ones early.
        rounding: How layers are rounded: ceil as published, or round.
        multiple: Resolutions are multiples of this, in pixels.
        late_depth: Add the layers to later stages, like EfficientNetV2; as many in all.
        target: Networks are compared where this is equal; phi doubles it.
        device: Gives latency, for target latency and the family: cpu, torch-cpu, cuda, command:'PROGRAM
            {onnx}' or table:FILE. (default: none)
        phis: The phi of each model, B0, B1, ...; rising from 0.
        budgets: In place of phis: after the base, the largest model within each, like 400M,1G,4G.
        max_resolution: No network of grid and family has more pixels. (default: the images' own)
        refine: Then search the networks around the scaled one, at its FLOPs: does uniform scaling leave
            something on the table?
        explain: Show formula, published table and yours, and what rounding did.
        force: Take coefficients whose product is far from 2.
        data: Images: digits, npz:FILE, folder:DIR (a folder for each class) or hf:NAME (Hugging Face, or
            files). (default: the base run's, or digits)
        evaluator: train, table:FILE or predictor:FILE.
        proxy: A field of the short training, as for nas search; resolution is the base's. (default: the base
            run's)
        init: Pretrained weights, as for nas search. (default: the base run's)
        init_arch: The network that these weights are of. (default: recognised)
        tune: First fine-tune the pretrained network itself on these images, once, and inherit from that.
        metric: What networks are ranked by: accuracy; soft_accuracy, the mean probability of the right class,
            which is less noisy; balanced_accuracy or macro_f1, means over classes. (default: accuracy;
            soft_accuracy with init)
        seed: Seeds everything random. (default: the base run's, or 0)
        track: Where the run is shown, too: tensorboard, mlflow, wandb, or your own listener, FILE.py:NAME.
            (default: none)
        run: The run's directory; it must not exist yet. (default: runs/TIME-scale)
        workers: Trials at a time. (default: as many as fit)
        cpus_per_trial: CPUs of a trial; it has a thread for each whole one.
        gpus_per_trial: GPUs of a trial; 0.25 lets four share one. (default: 1 where there are GPUs)
        address: local: Ray on this machine. auto: the cluster that runs on it. HOST:PORT: one by its head.
            inline: no Ray, one at a time. (default: local; inline with a table or predictor)
        cache_size: Room for packed images on this machine, e.g. 200G; the oldest go first. NAS_CACHE says
            where.
        max_retries: How often a trial whose worker dies or hangs runs again, elsewhere if possible.
        trial_timeout: A trial that takes longer has failed; 90s, 10m or 1h30m. (default: 10 times the longest
            so far)
        quiet: Print nothing but errors.
        config: Arguments that are not given: a mapping, or a TOML file of options.
    """

def train(
    arch: str | PathLike[str] | Run | ArchSpec = ...,
    *,
    data: str | Any | None = None,
    init: str | None = None,
    init_arch: str | PathLike[str] | Run | ArchSpec | None = None,
    teacher: str | PathLike[str] | Run | ArchSpec | None = None,
    recipe: str | None = None,
    fields: Mapping[str, object] | Sequence[str] | None = None,
    epochs: int | None = None,
    time: str | float | None = None,
    patience: int | None = None,
    class_weights: str | None = None,
    keep: str = 'best',
    seed: int = 0,
    track: str | Listener | Sequence[str | Listener] | None = None,
    run: str | PathLike[str] | None = None,
    device: str = 'auto',
    threads: int | None = None,
    data_parallel: int = 1,
    address: str = 'local',
    cache_size: str | float = '50G',
    quiet: bool = False,
    config: str | PathLike[str] | Mapping[str, object] | None = None,
) -> Run:
    """Trains one network to the end, and keeps its weights.

    Args:
        arch: A preset, a run, RUN:MODEL of a family, a JSON file, or text.
        data: Images: digits, npz:FILE, folder:DIR (a folder for each class) or hf:NAME (Hugging Face, or
            files); or your own, FILE.py:NAME. (default: the run's, or digits)
        init: Pretrained weights: efficientnet-lite0, a .pth or .safetensors FILE, RUN, hf:REPO; none.
            (default: the run's, or fresh weights)
        init_arch: The network that these weights are of. (default: recognised)
        teacher: A larger network, trained on the same classes, whose outputs are learned too; none. (default:
            RUN/source, if the network is a part of it)
        recipe: How it is trained: scratch, finetune (from pretrained weights), distill (and a teacher),
            efficientnet (350 epochs) or proxy (short). (default: scratch; finetune with init, distill with
            RUN/source)
        fields: A field of the recipe, e.g. resolution=32, batch_size=128, dropout=0.3.
        epochs: Passes over the training images. (default: the recipe's)
        time: In place of epochs: as many as fit into 90s, 10m, 1.5h or 1h30m. The schedule is whole.
            (default: as long as the epochs take)
        patience: End after N epochs without a higher validation accuracy. (default: train to the end)
        class_weights: balanced: in training, images of rare classes count more. (default: none)
        keep: Which weights: of the best epoch, by validation accuracy, or of the last.
        seed: Seeds everything random; the split of the images too, unless a run has one.
        track: Where the run is shown, too: tensorboard, mlflow, wandb, or your own listener, FILE.py:NAME.
            (default: none)
        run: The run's directory; it must not exist yet. (default: runs/TIME-train)
        device: cpu, cuda, or auto: a GPU if there is one.
        threads: CPU threads of a process; several share all cores. (default: the fastest, timed)
        data_parallel: Processes that share every batch, each on a GPU or on its own threads.
        address: Where those run: local, auto for the running Ray cluster, or HOST:PORT of its head.
        cache_size: Room for packed images on this machine, e.g. 200G; the oldest go first. NAS_CACHE says
            where.
        quiet: Print nothing but errors.
        config: Arguments that are not given: a mapping, or a TOML file of options.
    """

def audit(
    *,
    space: str = 'mnas',
    data: str = 'digits',
    networks: int = 24,
    seeds: int = 3,
    recipe: str | None = None,
    proxy: Mapping[str, object] | Sequence[str] | None = None,
    init: str | None = None,
    init_arch: str | PathLike[str] | Run | ArchSpec | None = None,
    tune: bool = True,
    metric: str | None = None,
    long: Mapping[str, object] | Sequence[str] | None = None,
    long_seeds: int | None = None,
    reference: str | PathLike[str] | None = None,
    sample_seed: int = 0,
    seed: int = 0,
    track: str | Listener | Sequence[str | Listener] | None = None,
    run: str | PathLike[str] | None = None,
    workers: int | None = None,
    cpus_per_trial: float = 1.0,
    gpus_per_trial: float | None = None,
    address: str | None = None,
    cache_size: str | float = '50G',
    max_retries: int = 3,
    trial_timeout: str | float | None = None,
    quiet: bool = False,
    config: str | PathLike[str] | Mapping[str, object] | None = None,
) -> Run:
    """Is the proxy any good? Trains networks on several seeds, and longer, and compares.

    Args:
        space: Whose networks are trained, see nas spaces.
        data: As for nas search.
        networks: Networks to train, drawn at random.
        seeds: Training runs of each network, on as many seeds.
        recipe: As for nas search. (default: proxy; inherit with init)
        proxy: A field of the recipe, as for nas search.
        init: Pretrained weights to start with: efficientnet-lite0, .pth or .safetensors FILE, RUN, hf:REPO.
            (default: fresh weights)
        init_arch: The network that these weights are of. (default: recognised)
        tune: First fine-tune the pretrained network itself on these images, once, and inherit from that.
        metric: What networks are ranked by: accuracy; soft_accuracy, the mean probability of the right class,
            which is less noisy; balanced_accuracy or macro_f1, means over classes. (default: accuracy;
            soft_accuracy with init)
        long: A field of a longer schedule, e.g. epochs=16; every network is trained by it, too.
        long_seeds: Training runs of each network by the longer schedule. (default: as seeds)
        reference: Known accuracies, as for table:FILE; the networks are drawn from it.
        sample_seed: Seeds the draw of the networks.
        seed: Seeds everything else that is random.
        track: Where the run is shown, too: tensorboard, mlflow, wandb, or your own listener, FILE.py:NAME.
            (default: none)
        run: The run's directory; it must not exist yet. (default: runs/TIME-audit)
        workers: Trials at a time. (default: as many as fit)
        cpus_per_trial: CPUs of a trial; it has a thread for each whole one.
        gpus_per_trial: GPUs of a trial; 0.25 lets four share one. (default: 1 where there are GPUs)
        address: local: Ray on this machine. auto: the cluster that runs on it. HOST:PORT: one by its head.
            inline: no Ray, one at a time. (default: local; inline with a table or predictor)
        cache_size: Room for packed images on this machine, e.g. 200G; the oldest go first. NAS_CACHE says
            where.
        max_retries: How often a trial whose worker dies or hangs runs again, elsewhere if possible.
        trial_timeout: A trial that takes longer has failed; 90s, 10m or 1h30m. (default: 10 times the longest
            so far)
        quiet: Print nothing but errors.
        config: Arguments that are not given: a mapping, or a TOML file of options.
    """

def plan(
    space: str | SearchSpace = ...,
    *,
    data: str | Any = 'digits',
    trials: int | None = None,
    max_hours: float | None = None,
    target_flops: str | float | None = None,
    target: Mapping[str, object] | Sequence[str] | None = None,
    maximize: str | Sequence[str] | None = None,
    device: str | None = None,
    exponent: float | None = None,
    reward: str = 'soft',
    controller: str = 'dyna',
    controller_settings: Mapping[str, object] | Sequence[str] | None = None,
    evaluator: str | Callable[[Any, Trial], object] = 'train',
    recipe: str | None = None,
    proxy: Mapping[str, object] | Sequence[str] | None = None,
    init: str | None = None,
    init_arch: str | PathLike[str] | Run | ArchSpec | None = None,
    tune: bool = True,
    metric: str | None = None,
    class_weights: str | None = None,
    scheduler: str = 'fifo',
    confirm: int = 3,
    confirm_seeds: int = 2,
    baseline: str | Sequence[str | ArchSpec] | None = None,
    seed: int = 0,
    track: str | Listener | Sequence[str | Listener] | None = None,
    run: str | PathLike[str] | None = None,
    workers: int | None = None,
    cpus_per_trial: float = 1.0,
    gpus_per_trial: float | None = None,
    address: str | None = None,
    cache_size: str | float = '50G',
    max_retries: int = 3,
    trial_timeout: str | float | None = None,
    quiet: bool = False,
    config: str | PathLike[str] | Mapping[str, object] | None = None,
    like: str | PathLike[str] | Run | None = None,
) -> dict[str, Any]:
    """Says what a search would take: hours, and memory; as JSON values. Writes nothing.

    Args:
        space: Search space, see nas spaces; around:ARCH, the networks around a given one; FILE.toml or
            FILE.py:NAME, your own; or RUN, as that run.
        data: Images: digits, npz:FILE, folder:DIR (a folder for each class) or hf:NAME (Hugging Face, or
            files); or your own, FILE.py:NAME.
        trials: Networks to propose. (default: 24, or 1000 with a table or predictor)
        max_hours: End within so many hours from now, with fewer trials if need be; nas resume makes the
            others. (default: no limit)
        target_flops: The budget T, in multiply-adds. (default: 400M; those of ARCH around it)
        target: A budget: latency=20ms, params=5M^-0.1 (its exponent), or of a column of the table; several
            multiply. Your own evaluation may give any. For all budgets (reward pareto), the name alone.
            (default: none)
        maximize: Measures of your own evaluation, or columns of the table, of which more is better, e.g. f1;
            a target of one is the least that is wanted. All others are costs. (default: none)
        device: Gives latency: table:FILE or predictor:FILE; or measures it in each trial, as nas measure
            does: cpu, torch-cpu, cuda, command:'PROGRAM {onnx}'. (default: none)
        exponent: How much cost counts against accuracy. (default: -0.07, hard: -1)
        reward: soft: ACC x (FLOPs/T)^w. hard: the same above T, free below. abs: ACC + w |FLOPs/T - 1|.
            pareto: no T, the best networks for all budgets.
        controller: Who proposes: dyna (an RNN with a model of accuracy), rnn (PPO), evolution, random, or
            optuna:TPESampler and others of Optuna, or your own, FILE.py:NAME.
        controller_settings: A setting of the controller, e.g. initial=20.
        evaluator: Where accuracies come from: train, table:FILE, predictor:FILE (a regression on a table) or
            FILE.py:NAME, your own function.
        recipe: How each network is trained: proxy (short), inherit (pretrained), or those of nas train.
            (default: proxy; inherit with init)
        proxy: A field of the recipe, e.g. epochs=4, width=0.5, resolution=32, fraction=0.5.
        init: Pretrained weights to start with: efficientnet-lite0, .pth or .safetensors FILE, RUN, hf:REPO.
            (default: fresh weights)
        init_arch: The network that these weights are of. (default: recognised)
        tune: First fine-tune the pretrained network itself on these images, once, and inherit from that.
        metric: What networks are ranked by: accuracy; soft_accuracy, the mean probability of the right class,
            which is less noisy; balanced_accuracy or macro_f1, means over classes. (default: accuracy;
            soft_accuracy with init)
        class_weights: balanced: in training, images of rare classes count more. (default: none)
        scheduler: fifo trains every network to the end; asha stops the weaker ones early.
        confirm: How many of the best networks to train again at the end, before one is chosen.
        confirm_seeds: Fresh seeds for each of these; two or more measure the noise of a seed.
        baseline: Known networks to train beside the confirmed ones, and to compare with; or none. Where your
            own space has no ARCH, by decisions: 'model=svc C=1, model=knn neighbors=3'. (default: the space's
            published ones)
        seed: Seeds everything random in the run.
        track: Where the run is shown, too: tensorboard, mlflow, wandb, or your own listener, FILE.py:NAME.
            (default: none)
        run: The run's directory; it must not exist yet. (default: runs/TIME-SPACE)
        workers: Trials at a time. (default: as many as fit)
        cpus_per_trial: CPUs of a trial; it has a thread for each whole one.
        gpus_per_trial: GPUs of a trial; 0.25 lets four share one. (default: 1 where there are GPUs)
        address: local: Ray on this machine. auto: the cluster that runs on it. HOST:PORT: one by its head.
            inline: no Ray, one at a time. (default: local; inline with a table or predictor)
        cache_size: Room for packed images on this machine, e.g. 200G; the oldest go first. NAS_CACHE says
            where.
        max_retries: How often a trial whose worker dies or hangs runs again, elsewhere if possible.
        trial_timeout: A trial that takes longer has failed; 90s, 10m or 1h30m. (default: 10 times the longest
            so far)
        quiet: Print nothing but errors.
        config: Arguments that are not given: a mapping, or a TOML file of options.
        like: Repeat a search: its arguments in place of the defaults, but for run and max_hours.
    """

def resume(
    run: str | PathLike[str] | Run,
    *,
    data: str | Any | None = None,
    max_hours: float | None = None,
    track: str | Listener | Sequence[str | Listener] | None = None,
    trust_code: bool = False,
    space: str | SearchSpace | None = None,
    evaluator: str | Callable[[Any, Trial], object] | None = None,
    workers: int | None = None,
    cpus_per_trial: float | None = None,
    gpus_per_trial: float | None = None,
    address: str | None = None,
    cache_size: str | float | None = None,
    max_retries: int | None = None,
    trial_timeout: str | float | None = None,
    quiet: bool = False,
) -> Run:
    """Finishes an interrupted search or training, exactly as it would have gone.

    Args:
        run: A run's directory.
        data: Where the same images are now, if they were moved. (default: as before)
        max_hours: End within so many hours from now, with fewer trials if need be; nas resume makes the
            others. (default: no limit)
        track: As for nas search; none goes on without any. (default: as before)
        trust_code: Run the run's own code: a space, evaluator, controller or tracker of FILE.py:NAME, a
            device's command:PROGRAM.
        space: The run's own, named again: it runs without trust_code, and may be in another place. (default:
            as before)
        evaluator: The run's own, named again: it runs without trust_code, and may be in another place.
            (default: as before)
        workers: As for nas search. (default: as before)
        cpus_per_trial: As for nas search. (default: as before)
        gpus_per_trial: As for nas search. (default: as before)
        address: As for nas search. (default: as before)
        cache_size: As for nas search. (default: as before)
        max_retries: As for nas search. (default: as before)
        trial_timeout: As for nas search. (default: as before)
        quiet: Print nothing but errors.
    """

def evaluate(
    run: str | PathLike[str] | Run,
    *,
    data: str | None = None,
    part: str | None = None,
    csv: str | PathLike[str] | None = None,
    device: str = 'auto',
    quiet: bool = False,
) -> dict[str, Any]:
    """Says how good a trained network is on labelled images, class by class; as JSON values.

    Args:
        run: A run's directory.
        data: Images: digits, npz:FILE, folder:DIR (a folder for each class) or hf:NAME (Hugging Face, or
            files). (default: the run's own)
        part: Which images: test, valid, or all. (default: test; without one, valid of the run's images, or
            all of others)
        csv: Write the classes there; - is standard output.
        device: cpu, cuda, or auto: a GPU if there is one.
        quiet: Print nothing but errors.
    """

def predict(
    run: str | PathLike[str] | Run,
    paths: str | Sequence[str],
    *,
    csv: str | PathLike[str] | None = None,
    top: int = 1,
    least_confident: int | None = None,
    device: str = 'auto',
    quiet: bool = False,
) -> dict[str, Any]:
    """Names the class of each image, and its probability, by a trained network; as JSON values.

    Args:
        run: A run's directory.
        paths: Image files, folders of them, or patterns such as '*.jpg'.
        csv: Write CSV there; - is standard output. (default: standard output, but a table on a terminal)
        top: The K most probable classes of each image.
        least_confident: Only the N images of the least probability, the least first.
        device: cpu, cuda, or auto: a GPU if there is one.
        quiet: Print nothing but errors.
    """
