import contextlib
import hashlib
import json
import os
import pickle
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from fakes import Heard
from pictures import encoded, noise, write_classes
from places import ROOT

from nas.commands.arguments import absolute, parse_bytes
from nas.data import load_data
from nas.data.cache import HEADER, Cache, default_directory
from nas.data.decode import decode as decoded
from nas.errors import InputError, RunError
from nas.launch.prepare import fingerprint
from nas.launch.suited import pack_size
from nas.spec.objective import Objective
from nas.spec.recipe import EFFICIENTNET, Recipe
from nas.spec.resources import Resources
from nas.spec.scaling import Scaling
from nas.spec.settings import Settings
from nas.training.proxy import Training
from search_spaces import PRESETS

SIZE = 8


def decode(content, size):
    return decoded(content, size).pixels


PIXELS = SIZE * SIZE * 3


@pytest.fixture
def folder(tmp_path):
    return write_classes(tmp_path / "images")


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """Enough images for several processes."""
    return write_classes(tmp_path_factory.mktemp("many"), each=300)


@pytest.fixture
def load(tmp_path):
    """Loads a folder; ``load.said`` has the messages."""

    def load(
        folder,
        *,
        size=SIZE,
        limit=10**9,
        cache=tmp_path / "cache",
        progress=lambda done, total: None,
        **options,
    ):
        listener = Heard(progress)
        load.said = listener.said
        source = folder if isinstance(folder, str) else f"folder:{folder}"
        return load_data(source, size=size, cache=Cache(cache, limit), listener=listener, **options)

    return load


def made(load):
    """What the last load said but for what was read."""
    return [line for line in load.said if not line.startswith("Read ")]


def packs(directory):
    return sorted(path.name for path in directory.iterdir() if path.is_dir())


def expected(folder, part):
    """A part as read from its files: from the bytes of each decoded image to its label."""
    return {
        decode(path.read_bytes(), SIZE).tobytes(): label
        for label, name in enumerate(("cat", "dog"))
        for path in (folder / part / name).iterdir()
    }


@pytest.mark.parametrize("each", [10, 300])
def test_packed_pixels_equal_freshly_decoded_ones(load, tmp_path, each):
    write_classes(tmp_path / "f" / "train", each=each)
    write_classes(tmp_path / "f" / "val", each=3, first=each * 2)
    data = load(tmp_path / "f")
    for part, name in ((data.train, "train"), (data.valid, "val")):
        fresh = expected(tmp_path / "f", name)
        assert part.images.shape == (len(fresh), SIZE, SIZE, 3)
        packed = zip(part.images, part.labels, strict=True)
        assert {image.tobytes(): label for image, label in packed} == fresh
    assert (data.classes, data.test) == (("cat", "dog"), None)


def test_a_pack_is_made_once_and_mapped_read_only(load, folder, tmp_path):
    first = load(folder)
    assert [line.split()[0] for line in load.said] == ["Read", "Packing", "Packed"]
    assert not first.train.images.flags.writeable
    again = load(folder)
    assert made(load) == []
    assert np.array_equal(again.train.images, first.train.images)
    assert len(packs(tmp_path / "cache")) == 1


def test_another_seed_size_or_file_is_another_pack(load, folder, tmp_path):
    load(folder)
    load(folder, seed=1)
    load(folder, size=9)
    os.utime(folder / "cat" / "0.png", ns=(1, 1))
    load(folder)
    assert len(packs(tmp_path / "cache")) == 4


def test_seeds_share_the_pack_of_a_folder_with_splits(load, tmp_path):
    write_classes(tmp_path / "f" / "train")
    write_classes(tmp_path / "f" / "val")
    load(tmp_path / "f")
    load(tmp_path / "f", seed=1)
    assert made(load) == []


def test_progress_counts_up_to_all_images(load, many):
    told = []
    load(many, progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (600, 600)
    assert told == sorted(told)


def test_broken_images_are_left_out_and_named_each_time(load, folder, tmp_path):
    for name in ("cat/0.png", "cat/1.JPG", "dog/10.webp", "dog/11.bmp"):
        (folder / name).write_bytes(b"no image")
    data = load(folder)
    warning = f"Left out 4 broken images of folder:{folder}: cat/0.png, cat/1.JPG, dog/10.webp and 1 more"
    assert load.said[-1] == warning
    assert sum(len(part.labels) for part in (data.train, data.valid, data.test)) == 16
    fresh = {
        decode(path.read_bytes(), SIZE).tobytes(): label
        for label, name in enumerate(("cat", "dog"))
        for path in (folder / name).iterdir()
        if path.read_bytes() != b"no image"
    }
    for part in (data.train, data.valid, data.test):
        for image, label in zip(part.images, part.labels, strict=True):
            assert fresh.pop(image.tobytes()) == label
    assert not fresh
    load(folder)
    assert made(load) == [warning]


def test_a_class_without_a_whole_image_is_an_error(load, folder, tmp_path):
    for path in (folder / "dog").iterdir():
        path.write_bytes(b"no image")
    with pytest.raises(
        ValueError, match=r"got 0 of 'dog' .passed over: 10 that cannot be decoded, such as dog/10.webp"
    ):
        load(folder)
    assert packs(tmp_path / "cache") == []


def test_an_image_that_cannot_be_read_ends_the_packing(load, tmp_path):
    folder = write_classes(tmp_path / "images", each=20)

    def remove(done, total):
        (folder / "dog" / "39.bmp").unlink(missing_ok=True)

    with pytest.raises(ValueError, match=r"must be readable \(No such file or directory\), got .*39.bmp"):
        load(folder, progress=remove)
    assert packs(tmp_path / "cache") == []


def truncated(pack):
    with (pack / "train.images").open("r+b") as file:
        file.truncate(100)


def other_version(pack):
    header = json.loads((pack / HEADER).read_text())
    (pack / HEADER).write_text(json.dumps(header | {"version": 0}))


def torn_header(pack):
    (pack / HEADER).write_text('{"version"')


def no_header(pack):
    (pack / HEADER).unlink()


def missing(pack):
    (pack / "valid.labels").unlink()


def other_labels(pack):
    stored = (pack / "train.labels").read_bytes()
    (pack / "train.labels").write_bytes(stored[::-1])


def no_object(pack):
    (pack / HEADER).write_text("[]")


@pytest.mark.parametrize(
    "damage", [truncated, other_version, torn_header, no_header, missing, other_labels, no_object]
)
def test_a_damaged_pack_and_one_of_another_version_is_made_again(load, folder, tmp_path, damage):
    whole = np.array(load(folder).train.images)
    (pack,) = (path for path in (tmp_path / "cache").iterdir() if path.is_dir())
    damage(pack)
    assert np.array_equal(load(folder).train.images, whole)
    assert load.said[0].startswith(f"The pack of folder:{folder} is made again: ")
    assert all("\n" not in line for line in load.said)
    load(folder)
    assert made(load) == []


def test_a_packed_data_set_is_pickled_as_where_it_is(load, folder):
    data = load(folder)
    content = pickle.dumps(data)
    assert len(content) < 2000 < data.train.images.nbytes
    again = pickle.loads(content)
    for part, other in ((data.train, again.train), (data.valid, again.valid), (data.test, again.test)):
        assert np.array_equal(part.images, other.images)
        assert np.array_equal(part.labels, other.labels)
    assert not again.train.images.flags.writeable


def test_a_part_that_was_derived_from_a_packed_one_is_pickled_as_it_is(load, folder):
    part = load(folder).train
    derived = part._replace(labels=1 - part.labels)
    again = pickle.loads(pickle.dumps(derived))
    assert np.array_equal(again.labels, derived.labels)
    assert np.array_equal(again.images, part.images)


def test_a_machine_without_the_pack_makes_it_from_the_source(load, folder, tmp_path):
    data = load(folder)
    content = pickle.dumps(data)
    shutil.move(tmp_path / "cache", tmp_path / "elsewhere")
    again = pickle.loads(content)
    assert np.array_equal(again.valid.images, data.valid.images)
    assert packs(tmp_path / "cache") == packs(tmp_path / "elsewhere")


def test_a_machine_with_other_files_says_so(load, folder, tmp_path):
    content = pickle.dumps(load(folder))
    shutil.rmtree(tmp_path / "cache")
    (folder / "cat" / "0.png").write_bytes(encoded(noise(99)))
    with pytest.raises(RunError, match="must hold the same images on every machine"):
        pickle.loads(content)


def test_a_machine_with_the_same_images_of_other_times_makes_the_pack(load, folder, tmp_path):
    data = load(folder)
    content = pickle.dumps(data)
    shutil.rmtree(tmp_path / "cache")
    os.utime(folder / "cat" / "0.png", ns=(1, 1))
    assert np.array_equal(pickle.loads(content).train.images, data.train.images)


def test_the_fingerprint_of_a_packed_data_set_is_that_of_its_contents(load, folder, tmp_path):
    first, again, other = (fingerprint(Training(load(folder, seed=s), Recipe())) for s in (0, 0, 1))
    assert first == again != other
    shutil.copytree(folder, tmp_path / "moved")  # with new times
    assert fingerprint(Training(load(tmp_path / "moved"), Recipe())) == first
    (tmp_path / "moved" / "cat" / "0.png").write_bytes(encoded(noise(99)))
    assert fingerprint(Training(load(tmp_path / "moved"), Recipe())) != first


def test_images_in_memory_keep_the_fingerprint_of_their_bytes():
    data = load_data("digits")
    arrays = (*data.train, *data.valid)
    expected = hashlib.sha256(b"".join(array.tobytes() for array in arrays)).hexdigest()
    assert fingerprint(Training(data, Recipe())) == expected


LOAD = """
import sys
from pathlib import Path
from nas.data import load_data
from nas.data.cache import Cache
from nas.spec.listener import Listener
listener = Listener()
listener.say = print
if __name__ == "__main__":
    data = load_data(sys.argv[1], size=8, cache=Cache(Path(sys.argv[2])), listener=listener)
    print(len(data.train.labels))
"""


def python(script, *arguments, **options):
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(script), *map(str, arguments)]
    return subprocess.Popen(
        command, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, **options
    )


def test_two_processes_that_want_one_pack_make_it_once(many, tmp_path):
    (tmp_path / "load.py").write_text(LOAD)
    processes = [python(tmp_path / "load.py", f"folder:{many}", tmp_path / "cache") for _ in range(2)]
    said = [process.communicate() for process in processes]
    assert [err for _, err in said] == ["", ""]
    outs = [out.splitlines() for out, _ in said]
    assert [out[-1] for out in outs] == ["420", "420"]
    assert sum(line.startswith("Packed in") for out in outs for line in out) == 1
    assert len(packs(tmp_path / "cache")) == 1


def test_a_process_that_is_killed_while_it_packs_leaves_no_pack(load, many, tmp_path):
    kill = "lambda doing, done, total: done > 200 and os.kill(os.getpid(), signal.SIGKILL)"
    script = "import os, signal" + LOAD.replace("say = print", f"progress = {kill}")
    (tmp_path / "load.py").write_text(script)
    process = python(tmp_path / "load.py", f"folder:{many}", tmp_path / "cache")
    process.communicate()  # returns only after its children have also closed their outputs
    assert process.returncode == -signal.SIGKILL
    (left,) = packs(tmp_path / "cache")
    assert left.endswith(".tmp")
    data = load(many)
    assert made(load)[0].startswith("Packing 600 images")
    assert len(data.train.labels) == 420
    assert packs(tmp_path / "cache") == [left.removesuffix(".tmp")]


def test_a_leftover_of_other_images_is_removed_too(load, folder, many, tmp_path):
    load(folder)
    (tmp_path / "cache" / "0f.tmp").mkdir()
    (tmp_path / "cache" / "0f.tmp" / "train.images").write_bytes(bytes(1000))
    load(many)
    assert not (tmp_path / "cache" / "0f.tmp").exists()


def test_ctrl_c_while_packing_leaves_nothing(many, tmp_path):
    (tmp_path / "load.py").write_text(
        # A process started in the background may ignore Ctrl-C, and so would its children.
        "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
        + LOAD.replace("say = print", "progress = lambda doing, done, total: print(done, flush=True)")
    )
    process = python(tmp_path / "load.py", f"folder:{many}", tmp_path / "cache", start_new_session=True)
    process.stdout.readline()
    os.killpg(process.pid, signal.SIGINT)  # to the whole group, as a terminal does
    _, err = process.communicate()
    assert err.splitlines()[-1] == "KeyboardInterrupt"
    assert "Process SpawnProcess" not in err
    assert packs(tmp_path / "cache") == []


def use(data):
    """A mapped array, which keeps its pack in use."""
    return data.train.images[:1]


def test_the_pack_that_was_used_least_recently_goes(load, folder, tmp_path):
    limit = 2 * 20 * (9 * 9 * 3 + 8)
    load(folder, size=7, limit=limit)
    load(folder, size=8, limit=limit)
    time.sleep(0.01)
    load(folder, size=7, limit=limit)
    load(folder, size=9, limit=limit)
    load(folder, size=7, limit=limit)
    assert made(load) == []
    load(folder, size=8, limit=limit)
    assert made(load)[0].startswith("Packing")


def test_a_pack_that_is_in_use_stays(load, folder):
    limit = 2 * 20 * (9 * 9 * 3 + 8)
    kept = use(load(folder, size=7, limit=limit))
    load(folder, size=8, limit=limit)
    load(folder, size=9, limit=limit)
    load(folder, size=7, limit=limit)
    assert made(load) == []
    assert kept.shape == (1, 7, 7, 3)


def test_a_cache_that_cannot_hold_the_pack_says_how_large_it_must_be(load, folder, tmp_path):
    with pytest.raises(
        InputError, match=re.escape("cache_size must be at least 4.00k for these images, got 3.99k")
    ):
        load(folder, limit=3990)
    assert packs(tmp_path / "cache") == []
    limit = 6000
    kept = use(load(folder, limit=limit))
    with pytest.raises(
        InputError, match=r"cache_size must be at least 7\.\d+k, because other packs in .* in use"
    ):
        load(folder, size=7, limit=limit)
    del kept
    load(folder, size=7, limit=limit)


def test_a_cache_that_cannot_be_written_is_wrong_input(load, folder):
    with pytest.raises(InputError, match="NAS_CACHE must be a directory that can be written"):
        load(folder, cache=folder / "cat" / "0.png")


def test_a_disk_without_room_is_wrong_input(load, folder, small_disk):
    with pytest.raises(InputError, match=r"room for 1\.50M bytes of images \(1\.05M is free\), got .*/disk"):
        load(folder, size=158, cache=small_disk)
    assert packs(small_disk) == []


def test_packs_give_way_where_the_disk_not_the_limit_is_small(load, folder, small_disk):
    load(folder, size=100, cache=small_disk)
    load(folder, size=101, cache=small_disk)
    assert len(packs(small_disk)) == 1


def test_a_disk_that_fills_up_while_packing_is_wrong_input_and_leaves_nothing(load, many, small_disk):
    def fill(done, total):
        with contextlib.suppress(OSError), (small_disk / "filler").open("ab", buffering=0) as file:
            while file.write(bytes(4096)):
                pass

    with pytest.raises(InputError, match=r"\(No space left on device\), got .*/disk"):
        load(many, size=20, cache=small_disk, progress=fill)
    assert packs(small_disk) == []
    (small_disk / "filler").unlink()
    load(many, size=20, cache=small_disk)


def test_a_file_size_that_is_not_allowed_is_wrong_input_and_leaves_nothing(load, folder, tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(InputError, match=r"room for 4\.00k bytes of images \(File too large\)"):
            load(folder)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert packs(tmp_path / "cache") == []


def test_a_worker_that_dies_fails_the_run_in_one_line(load, many, tmp_path, monkeypatch):
    class Die:
        def __call__(self, rows):
            return [Bomb() for _ in rows]

    monkeypatch.setattr("nas.data.folder._split", lambda directory, files: nas_split(files, Die()))
    with pytest.raises(RunError, match="a process that decodes images died"):
        load(many)
    assert packs(tmp_path / "cache") == []


class Bomb:
    """Kills the process that unpickles it."""

    def __reduce__(self):
        return os._exit, (1,)


def nas_split(files, read):
    from nas.data.listing import Split

    return Split(np.array([label for _, label in files]), read, str)


def test_the_cache_is_where_the_environment_says(monkeypatch):
    monkeypatch.setenv("NAS_CACHE", "/a/b")
    assert default_directory() == Path("/a/b")
    monkeypatch.delenv("NAS_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/c")
    assert default_directory() == Path("/c/nas")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert default_directory() == Path.home() / ".cache" / "nas"


def settings(recipe, **options):
    return Settings("mnas", 1, "digits", "train", "rnn", Objective(4e8), recipe, **options)


def test_images_are_kept_at_the_largest_resolution_that_is_trained():
    assert pack_size(settings(Recipe())) == 32
    assert pack_size(settings(Recipe(resolution=0))) == 224
    networks = tuple(str(PRESETS[f"efficientnet-b{i}"]) for i in (0, 3, 1))
    several = settings(Recipe(resolution=0), networks=networks)
    assert pack_size(several) == 300


def test_random_crops_are_taken_from_images_with_a_margin():
    assert pack_size(settings(EFFICIENTNET)) == 256
    assert pack_size(settings(Recipe(resolution=32, crop="random_resized"))) == 37
    assert pack_size(settings(Recipe(resolution=32, crop="padded"))) == 32


def test_a_scaling_run_keeps_images_for_its_largest_candidate():
    scaling = Scaling(str(PRESETS["efficientnet-b0"]))
    recipe = Recipe(resolution=40)
    largest = max(candidate.arch.resolution for candidate in scaling.candidates)
    assert pack_size(settings(recipe, scaling=scaling)) == round(40 * largest / 224) > 40


def test_only_paths_are_made_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "local").mkdir()
    assert absolute("folder:local") == f"folder:{tmp_path}/local"
    assert absolute("hf:local") == f"hf:{tmp_path}/local"
    assert absolute("hf:user/name") == "hf:user/name"
    assert absolute("digits") == "digits"


def test_cache_sizes_are_bytes():
    assert parse_bytes("20G") == 20 * 10**9
    for text in ("0", "-1G", "inf", "nan", "many"):
        with pytest.raises(InputError, match="cache_size must be"):
            parse_bytes(text)
    with pytest.raises(ValueError, match="cache_size must be at least 1 byte, got 0"):
        Resources(cache_size=0)


@pytest.mark.slow
def test_workers_of_ray_map_the_pack_that_the_search_has_made(nas, folder, tmp_path, monkeypatch):
    monkeypatch.setenv("NAS_CACHE", str(tmp_path / "cache"))
    common = ("search", "--space", "mnas", "--data", f"folder:{folder}", "--trials", 2, "--confirm", 0)
    common += ("--proxy", "epochs=1")
    code, out, err = nas(*common, "--run", "ray", "--workers", 1)
    assert (code, err) == (0, "")
    assert "\nPacking 20 images" in out
    assert len(packs(tmp_path / "cache")) == 1
    code, out, _ = nas(*common, "--run", "inline", "--address", "inline")
    assert code == 0
    assert "Packing" not in out
    from nas import open_run

    columns = ["arch", "accuracy"]
    assert open_run("ray").trials()[columns].equals(open_run("inline").trials()[columns])


def test_the_size_of_a_pack_may_follow_from_the_images_own_size(load, folder, tmp_path):
    asked = []
    data = load(folder, size=lambda own: asked.append(own) or own // 2)
    assert asked == [12]
    assert data.train.images.shape[1:] == (6, 6, 3)
    assert data.image_size == 12
    assert load(folder, size=6).image_size == 12
    assert len(packs(tmp_path / "cache")) == 1


def test_the_own_size_is_the_median_of_the_shorter_sides_of_images_that_can_be_read(load, tmp_path):
    write_classes(tmp_path / "f")
    for i in range(60):
        (tmp_path / "f" / "cat" / f"large{i}.png").write_bytes(encoded(noise(i, 30, 20)))
    (tmp_path / "f" / "cat" / "broken.png").write_bytes(b"no image")
    assert load(tmp_path / "f").image_size == 20
