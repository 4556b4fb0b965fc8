"""Where the checkout is, and the data next to it."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
DATA = ROOT.parent / "shared" / "data"
MACRO_TABLE = DATA / "nas_bench_macro/nas-bench-macro_cifar10.json"
ACCEL_TABLE = DATA / "accel_nasbench/accel_nasbench.csv.gz"
CIFAR = DATA / "cifar10_6k/cifar10_6k_subset_uint8.npz"
