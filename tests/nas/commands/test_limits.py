import pytest

MNAS = ("search", "--space", "mnas", "--run", "r")


@pytest.mark.parametrize(
    ("command", "line"),
    [
        (
            ("show", "res999999999-silu-stem32-mb6_r999999999_k3_s1_c8-head8"),
            "ARCH: repeats must be at most 10,000, got 999999999",
        ),
        (
            ("show", "res64-silu-stem32-mb6_r10000000000000000000000_k3_s1_c8-head8"),
            "ARCH: repeats must be at most 10,000, got 10000000000000000000",
        ),
        ((*MNAS, "--proxy", "width=1e9"), "--proxy: width must be at most 1,000, got 1000000000.0"),
        ((*MNAS, "--proxy", "width=1e400"), "--proxy: width must be"),
        (
            (*MNAS, "--proxy", "resolution=1000000000"),
            "--proxy: resolution must be at most 8,192, got 1000000000",
        ),
        ((*MNAS, "--proxy", "resolution=1e3"), "--proxy: resolution must be of type int, got '1e3'"),
        ((*MNAS, "--proxy", f"epochs={10**30}"), f"--proxy: epochs must be at most 1,000,000, got {10**30}"),
        (
            (*MNAS, "--proxy", "epochs=\uff11\uff12"),
            "--proxy: epochs must be of type int, got '\uff11\uff12'",
        ),
        ((*MNAS, "--proxy", f"batch_size={'9' * 5000}"), "--proxy: batch_size must be of type int, got '999"),
        ((*MNAS, "--proxy", "divisor=2000"), "--proxy: divisor must be at most 1,024, got 2000"),
        ((*MNAS, "--proxy", "mixup=1e300"), "--proxy: mixup must be at most 1,000, got 1e+300"),
        ((*MNAS, "--proxy", "width=900"), "width must leave networks within their limits (channels must be"),
        ((*MNAS, "--trials", str(10**30)), f"--trials must be at most 1,000,000,000, got {10**30}"),
        ((*MNAS, "--confirm-seeds", "2000"), "--confirm-seeds must be at most 1,000, got 2000"),
        (
            (*MNAS, "--target-flops", "1e19"),
            "--target-flops must be at most 1,000,000,000,000,000,000, got 1e+19",
        ),
        ((*MNAS, "--target-flops", "0.5"), "--target-flops must be at least 1, got 0.5"),
        ((*MNAS, "--workers", "1000000"), "--workers must be at most 100,000, got 1000000"),
        (
            ("scale", "--coefficients", "1.2,1.1,1.15", "--multiple", "10000", "--run", "r"),
            "--multiple must be at most 8,192, got 10000",
        ),
        (
            ("scale", "--coefficients", "1.26,1,1.26", "--phis", "0,29", "--run", "r"),
            "--phis: phi must leave the network within its limits (resolution must be at most 8,192, got ",
        ),
        (
            ("scale", "--grid", "product=1e300", "--run", "r"),
            "--grid: product must be at most 1,000, got 1e+300",
        ),
        (
            ("scale", "--grid", "step=0.001", "--run", "r"),
            "step must leave at most 2,000,000 triples, got 0.001",
        ),
        (("audit", "--seeds", "1000000", "--run", "r"), "--seeds must be at most 1,000, got 1000000"),
        (
            ("train", "mnasnet-b1", "--set", "width=900", "--run", "r"),
            "width must leave networks within their limits (channels must be",
        ),
    ],
    ids=lambda value: "" if isinstance(value, tuple) else value[:60],
)
def test_what_no_machine_can_is_refused_with_the_limit_before_anything_is_made(nas, tmp_path, command, line):
    code, out, err = nas(*command)
    assert (code, out) == (2, "")
    assert err.startswith(f"nas: {line}")
    assert err.count("\n") == 1
    assert len(err) < 1000
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "option", ["--phis", "--coefficients", "--multiple", "--strategy", "--grid", "--max-resolution"]
)
def test_a_message_leaves_out_the_middle_of_a_very_long_value(nas, option):
    code, out, err = nas("scale", option, "9" * 5000, "--run", "r")
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert err.startswith("nas: ")
    assert option in err
    assert len(err) < 2100
