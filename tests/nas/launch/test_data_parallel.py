"""One training run in several processes."""

import dataclasses
import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from blocks import AVERAGED, TINY, dataset, untimed
from fakes import QUICK, compare, epochs_of, start
from safetensors.torch import load_file

from nas import open_run
from nas.errors import InputError
from nas.launch.data_parallel import SharedTrainer
from nas.spec.recipe import METRICS
from nas.training.full import FullTraining
from nas.training.pixels import Pixels
from nas.training.trainer import Trainer

pytestmark = pytest.mark.filterwarnings("ignore:.* is deprecated:DeprecationWarning")  # from Ray Data itself
SMALL = "res8-silu-stem8-conv_r1_k3_s1_c8-mb3_r2_k3_s2_c16_se0.25-head64"
TWO = ["--data-parallel", 2, "--threads", 1]


@pytest.fixture
def alone(tmp_path):
    """A process group of this process alone."""
    dist.init_process_group("gloo", store=dist.FileStore(str(tmp_path / "store"), 1), rank=0, world_size=1)
    yield
    dist.destroy_process_group()


@pytest.mark.parametrize("optimizer", ["adamw", "rmsprop"])
def test_a_process_group_of_one_trains_like_a_single_process(alone, optimizer):
    # nothing random
    still = {"dropout": 0.0, "stochastic_depth": 0.0, "flip": False, "optimizer": optimizer}
    recipe = dataclasses.replace(AVERAGED, **still)
    arguments = recipe.shrink(TINY), dataset(), recipe, 5
    shared, plain = (kind(*arguments, whole_curve=True) for kind in (SharedTrainer, Trainer))
    for one, other in zip(shared.epochs(), plain.epochs(), strict=True):
        assert one.valid_loss == pytest.approx(other.valid_loss)
        assert untimed(one)._replace(valid_loss=0.0) == untimed(other)._replace(valid_loss=0.0)


def judged(rank, processes, folder):
    """Writes what one of several processes finds by every metric, and what one alone does.

    They judge all images, and a single one, of which one of two processes has none.
    """
    dist.init_process_group(
        "gloo", store=dist.FileStore(f"{folder}/store", processes), rank=rank, world_size=processes
    )
    arguments = AVERAGED.shrink(TINY), dataset(count=50), AVERAGED, 5
    found = {}
    for kind in (SharedTrainer, Trainer):
        torch.manual_seed(0)
        trainer = kind(*arguments, whole_curve=True)
        one = Pixels(trainer.data.valid, "cpu", trainer.arch.resolution, count=1)
        found[kind.__name__] = {
            metric: [trainer.evaluate(images, metric=metric) for images in (trainer.valid_images, one)]
            for metric in METRICS
        }
    Path(folder, f"{rank}.json").write_text(json.dumps(found))


def test_two_processes_find_what_one_finds_by_every_metric(tmp_path):
    mp.spawn(judged, (2, str(tmp_path)), nprocs=2)
    for rank in range(2):
        found = json.loads((tmp_path / f"{rank}.json").read_text())
        for metric in METRICS:
            for ours, alone in zip(found["SharedTrainer"][metric], found["Trainer"][metric], strict=True):
                assert ours == pytest.approx(alone), metric


@pytest.mark.slow
def test_two_processes_train_one_network_and_resume_exactly(nas, data, tmp_path):
    whole = ["--set", "crop=none", "--set", "policy=none"]  # so that it learns in eight epochs
    training = ["train", SMALL, "--data", data, *QUICK, *TWO, *whole, "--epochs", 8]
    code, out, err = nas(*training, "--run", "through")
    assert err == ""
    assert code == 0
    assert out.count("\nepoch ") == 9  # eight, and the table's header
    losses = open_run("through").epochs()["train_loss"]
    assert losses.iloc[-1] < losses.iloc[0] - 0.2
    process = start(tmp_path, *training, "--run", "killed")
    while process.poll() is None and epochs_of(tmp_path / "killed") < 2:
        time.sleep(0.01)
    process.kill()
    process.communicate()
    assert epochs_of(tmp_path / "killed") < 8
    assert nas("resume", "killed", "-q") == (0, "", "")
    compare("through", "killed")
    through, killed = (load_file(f"{run}/weights.safetensors") for run in ("through", "killed"))
    assert all(torch.equal(through[name], killed[name]) for name in through)


@pytest.mark.slow
def test_failures_of_a_process_end_the_run_in_one_line(nas, data, tmp_path):
    training = ["train", SMALL, "--data", data, *QUICK, *TWO]
    code, _, err = nas(*training, "--set", "learning_rate=1e30", "--epochs", 2, "--run", "hot")
    assert code == 1
    assert err.startswith("nas: the only trial failed with ArithmeticError: ")
    assert err.count("\n") == 1
    process = start(tmp_path, *training, "--epochs", 1000, "--run", "lost")
    while process.poll() is None and epochs_of(tmp_path / "lost") < 1:
        time.sleep(0.01)
    os.kill(workers_of(process.pid)[0], signal.SIGKILL)
    _, err = process.communicate()
    assert process.returncode == 1
    assert err.splitlines()[-1].startswith("nas: a process of the training run was lost (")
    assert err.rstrip().endswith("go on with: nas resume lost")


def workers_of(pid):
    """The processes of Ray Train below process ``pid``."""
    table = subprocess.run(["ps", "-eo", "pid,ppid,args"], capture_output=True, text=True, check=True).stdout
    rows = [line.split(None, 2) for line in table.splitlines()[1:]]
    below = {str(pid)}
    for _ in range(4):
        below |= {row[0] for row in rows if row[1] in below}
    return [int(row[0]) for row in rows if row[0] in below and "RayTrainWorker" in row[2]]


def test_more_processes_than_cores_are_refused(nas, data, tmp_path):
    cores = len(os.sched_getaffinity(0))
    too_many = ["--data-parallel", cores + 1, "--threads", 1]
    code, _, err = nas("train", SMALL, "--data", data, *too_many, "--run", "r")
    rule = f"must be at most {cores}, for {cores} cores at 1 each"
    assert (code, err) == (2, f"nas: --data-parallel {rule}, got {cores + 1}\n")
    assert not (tmp_path / "r").exists()


def test_every_process_needs_images_for_its_batch_statistics():
    recipe = dataclasses.replace(AVERAGED, batch_size=5)
    FullTraining(dataset(), recipe, workers=2)
    with pytest.raises(InputError, match="2 images of a batch of 5, got 3"):
        FullTraining(dataset(), recipe, workers=3)
