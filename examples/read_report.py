# %% [markdown]
# # Reading a run
#
# `python examples/read_report.py runs/first`, or cell by cell in an editor that knows `# %%`.

# %%
"""What can be read from a run in a few lines of pandas."""

import sys

import numpy as np

import reports
from nas import open_run

run = open_run(sys.argv[1] if len(sys.argv) > 1 else "runs/first")

# %% Every trial, also while the search runs
trials = run.trials()
print(trials["status"].value_counts().to_string())
print(trials[["trial", "accuracy", "flops", "reward", "seconds"]].describe().round(4).to_string())

# %% The networks: estimates from all their training runs; where noise was measured, the chance to be the best
networks = run.networks()
columns = ["trial", "trainings", "accuracy", "accuracy_error", "reward", "p_best", "p_front"]
known = [name for name in columns if name in networks]
print(networks.sort_values("reward", ascending=False)[known].head(5).round(4).to_string(index=False))

# %% How far single training runs can be trusted
print(run.seed_noise() or "Seed noise was not measured.")

# %% The front, for any objectives
print(run.pareto()[["trial", "accuracy", "flops"]].to_string(index=False))
three = run.pareto(maximize=["accuracy"], minimize=["flops", "params"])
print(f"{len(three)} networks are on the front of accuracy, FLOPs and parameters")

# %% Its hypervolume: the best accuracy there is, averaged over all budgets up to the largest network's
largest = float(networks["flops"].max())
volume = reports.hypervolume(networks, reference={"accuracy": 0.0, "flops": largest})
print(f"hypervolume {volume / largest:.4f}")

# %% Which network would have been chosen for a smaller budget? Nothing is trained again
target = float(networks["flops"].quantile(0.25))
small = run.rerank(target_flops=target, exponent=-0.15).iloc[0]
print(f"for {reports.count(target)} FLOPs: trial {small['trial']}, accuracy {small['accuracy']:.4f}")

# %% Is the search better than random? Its first trials were near-random
done = trials[trials["status"] == "done"]
first = reports.near_random(run.config["controller"], run.config["controller_settings"])
sample = done["reward"][done["trial"] < first]
best, random = reports.best_so_far(done["reward"]), reports.expected_best(sample, len(done))
for count in np.unique(np.geomspace(1, len(done), 5).round().astype(int)):
    print(f"after {count}: {best[count - 1]:.4f}, random search is expected to have {random[count - 1]:.4f}")

# %% Learning curves of the front
curves = run.epochs().pivot_table(index="epoch", columns="trial", values="accuracy")
print(curves[[trial for trial in run.pareto()["trial"] if trial in curves]].round(3).to_string())

# %% Several runs as one DataFrame
both = reports.load(run)
print(both.groupby("run")["reward"].max().to_string())
