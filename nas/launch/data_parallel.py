"""One training run on several GPUs, machines or CPU cores: Ray Train runs processes that share every batch.

Each of N processes takes every N-th image of a batch. Gradients are averaged before each step, so all have
the same weights. Unlike in a single process, BN normalises by the statistics of the process's own images
(the running statistics of the first process are kept), and each process draws its own augmentation.
"""

from __future__ import annotations

import dataclasses
import io
import logging
import queue
import tempfile
import threading
from collections.abc import Iterator
from typing import Any

import nas.launch.cluster  # noqa: F401 - sets the variables that Ray reads on import

# isort: split
import ray
import ray.train
import torch
import torch.distributed as dist
from ray.train.torch import TorchTrainer, get_device
from ray.util.queue import Queue
from torch import Tensor

from nas.errors import NasError, RunError, command
from nas.spec.listener import Listener
from nas.spec.seeds import epoch_seed
from nas.spec.trial import Trial
from nas.training.checkpoint import Checkpoint, load, save
from nas.training.full import FullTraining, checkpoints, checkpoints_alone
from nas.training.pixels import Pixels
from nas.training.trainer import Trainer


class SharedTrainer(Trainer):
    """The ``Trainer`` of one of several processes; all must call the same methods in the same order."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.rank, self.workers = dist.get_rank(), dist.get_world_size()
        self.weights = [weight for weight in self.network.parameters() if weight.requires_grad]
        self.share = 1.0  # of this process in a batch
        self.captured = None
        self.optimizer.register_step_pre_hook(lambda *_: self._average_gradients())

    def _train_epoch(self) -> float:
        loss = torch.tensor(super()._train_epoch(), dtype=torch.float64, device=self.device)
        dist.all_reduce(loss)
        return float(loss)

    def _batches(self, order: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """Every N-th image of each batch; all processes draw the same order."""
        torch.manual_seed(epoch_seed(self.seed, self.epoch, self.rank))
        own = order.view(-1, self.batch_size)[:, self.rank :: self.workers]  # [batches, this process's B]
        self.share = own.shape[1] / self.batch_size
        return self.train_images.batches(own.flatten(), own.shape[1])

    def _step(self, images: Tensor, target: Tensor) -> Tensor:
        return super()._step(images, target) * self.share

    def _average_gradients(self) -> None:
        gradients = [weight.grad for weight in self.weights if weight.grad is not None]
        flat = torch.cat([gradient.flatten() for gradient in gradients]) * self.share
        dist.all_reduce(flat)
        parts = flat.split([gradient.numel() for gradient in gradients])
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view_as(gradient))

    def evaluate(
        self, pixels: Pixels, count: int | None = None, metric: str | None = None
    ) -> tuple[float, float]:
        """As ``Trainer.evaluate``: each process evaluates its share, with the first one's BN statistics."""
        assert count is None, "every epoch is evaluated whole"
        for buffer in self.judged.buffers():
            dist.broadcast(buffer, 0)
        share: Any = _Share(pixels, self.rank, self.workers)
        return super().evaluate(share, metric=metric)

    def _of_all(self, sums: Tensor) -> Tensor:
        dist.all_reduce(sums)
        return sums


class _Share:
    """The part of a ``Pixels`` that one process evaluates, with only what ``evaluate`` uses."""

    def __init__(self, pixels: Pixels, rank: int, workers: int) -> None:
        self.pixels = pixels
        self.start, stop = (len(pixels) * i // workers for i in (rank, rank + 1))
        self.labels = pixels.labels[self.start : stop]

    def range(self, start: int, stop: int) -> Tensor:
        return self.pixels.range(self.start + start, self.start + stop)


def shared_checkpoints(
    training: FullTraining, trial: Trial, start: Checkpoint | None
) -> Iterator[Checkpoint]:
    """As ``nas.training.full.checkpoints_alone``, but in ``training.workers`` processes of the open cluster.

    Raises:
        ArithmeticError: if the loss is no longer finite.
        RunError: if a process is lost.
    """
    if start and training.is_over(start.curve):
        return
    results = Queue(1, {"num_cpus": 0})
    alone = dataclasses.replace(training, checkpoints=checkpoints_alone, listener=Listener())
    given = ray.put((alone, trial, start))
    gpu = training.device != "cpu"
    failures: list[Exception] = []

    def fit(storage: str) -> None:
        try:
            TorchTrainer(
                _work,
                train_loop_config={"given": [given], "results": results},
                scaling_config=ray.train.ScalingConfig(
                    num_workers=training.workers,
                    use_gpu=gpu,
                    resources_per_worker={"CPU": training.threads, **({"GPU": 1} if gpu else {})},
                ),
                run_config=ray.train.RunConfig(storage_path=storage, name="nas"),
            ).fit()
        except Exception as error:  # noqa: BLE001 - raised below, in the main thread
            failures.append(error)

    logging.getLogger("ray.train").setLevel(logging.CRITICAL)
    with tempfile.TemporaryDirectory(prefix="nas-train-", ignore_cleanup_errors=True) as storage:
        # Ctrl-C is ours: Ray Train would catch it if it ran in the main thread.
        thread = threading.Thread(target=fit, args=(storage,), daemon=True)
        thread.start()
        while True:
            running = thread.is_alive()
            try:
                yield load(io.BytesIO(results.get(timeout=1.0)))
            except queue.Empty:
                if not running:
                    break
    for error in failures:
        raise _failure(error, training) from error


def _work(config: dict[str, Any]) -> None:
    """Trains in each process; the first one reports its checkpoints."""
    training, trial, start = ray.get(config["given"])[0]
    torch.set_num_threads(training.threads)
    device = str(get_device())
    trainer = SharedTrainer(
        *(trial.arch, training.data, training.recipe, trial.seed, device),
        init=training.init,
        teacher=training.teacher,
        whole_curve=True,
    )
    for checkpoint in checkpoints(trainer, start, training):
        if trainer.rank == 0:
            file = io.BytesIO()
            save(checkpoint, file)
            config["results"].put(file.getvalue())


def _failure(error: Exception, training: FullTraining) -> Exception:
    """The ArithmeticError or NasError that a process raised; otherwise a RunError that says how to resume."""
    raised = [getattr(one, "_base_exc", one) for one in getattr(error, "worker_failures", {}).values()]
    for cause in raised:
        if isinstance(cause, ArithmeticError | NasError):
            return cause
    reason = " ".join(f"{type(cause).__name__}: {cause}" for cause in raised or [error])
    return RunError(
        f"a process of the training run was lost ({' '.join(reason.split())[:200]}); go on with: "
        f"{command('resume', training.directory)}"
    )
