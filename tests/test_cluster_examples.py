"""The files of examples/cluster are what Slurm and KubeRay take, and their commands are ours."""

import re
import shlex
import shutil
import subprocess

import pytest
import yaml
from places import ROOT
from typer.main import get_command

from nas.commands.main import app

PLACE = ROOT / "examples" / "cluster"


def commands(text):
    """The ``nas`` commands in a script."""
    joined = text.replace("\\\n", " ")
    return [shlex.split(found) for found in re.findall(r"nas (?:search|resume) [^;)\n]*", joined)]


@pytest.mark.parametrize("name", ["search.sbatch", "search.kuberay.yaml"])
def test_their_commands_have_only_options_that_there_are(name):
    text = (PLACE / name).read_text()
    text = yaml.safe_load(text)["spec"]["entrypoint"] if name.endswith(".yaml") else text
    found = commands(text)
    assert {command[1] for command in found} == {"search", "resume"}
    for _, command, *arguments in found:
        known = {option for each in get_command(app).commands[command].params for option in each.opts}
        assert {word for word in arguments if word.startswith("--")} <= known


def test_the_batch_script_is_a_script_and_calls_ray_with_options_that_it_has():
    script = PLACE / "search.sbatch"
    assert subprocess.run([shutil.which("bash"), "-n", script], capture_output=True).returncode == 0
    from ray.scripts.symmetric_run import symmetric_run

    known = {option for parameter in symmetric_run.params for option in parameter.opts}
    used = re.search(r"ray symmetric-run (.*?) -- ", script.read_text().replace("\\\n", " ")).group(1)
    assert {"--address", "--min-nodes"} <= known
    assert set(re.findall(r"--[a-z-]+", used)) <= known | {"--num-cpus"}


def test_the_manifest_has_what_a_ray_job_needs():
    job = yaml.safe_load((PLACE / "search.kuberay.yaml").read_text())
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    cluster = job["spec"]["rayClusterSpec"]
    assert cluster["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    (workers,) = cluster["workerGroupSpecs"]
    assert workers["minReplicas"] <= workers["replicas"] <= workers["maxReplicas"]
    for group in (cluster["headGroupSpec"], workers):
        pod = group["template"]["spec"]
        (container,) = pod["containers"]
        assert container["resources"]["requests"] == container["resources"]["limits"]
        assert {mount["name"] for mount in container["volumeMounts"]} == {
            each["name"] for each in pod["volumes"]
        }
