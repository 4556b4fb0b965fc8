"""Which regression ranks Accel-NASBench's networks best, and how long one prediction takes.

    python benchmarks/predictor.py

Kendall tau and R2 are 5-fold cross-validated on the real ImageNet accuracies.
"""

from __future__ import annotations

import time

import numpy as np
from scipy.stats import kendalltau
from script import ACCEL_TABLE, make_parser
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import Ridge
from sklearn.model_selection import KFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVR

from nas.search.predictor import Predictor
from nas.search.tables import read_table
from nas.spec.trial import Trial
from search_spaces import SPACES


def main() -> None:
    """Prints one line per regression; the last is the one that ``--evaluator predictor`` uses."""
    make_parser(__doc__).parse_args()
    space = SPACES["accel-nasbench"]
    archs, accuracies = read_table(ACCEL_TABLE, space)
    ours = Predictor(ACCEL_TABLE, space)
    singles = ours.singles(archs)
    models = {
        "ridge": (Ridge(), singles),
        "gradient-boosted trees": (HistGradientBoostingRegressor(max_iter=300, random_state=0), singles),
        "support vectors": (
            make_pipeline(StandardScaler(), SVR(C=1, gamma=0.01, epsilon=0.002)),
            singles,
        ),
        "ridge on pairs": (Ridge(), ours.pairs(singles)),
    }
    folds = KFold(5, shuffle=True, random_state=0)
    print(f"{'':24} Kendall tau     R2   ms a prediction")
    for name, (model, features) in models.items():
        predicted = cross_val_predict(model, features, accuracies, cv=folds)
        tau = kendalltau(predicted, accuracies).statistic
        r2 = 1 - np.mean((predicted - accuracies) ** 2) / accuracies.var()
        model.fit(features, accuracies)
        started = time.perf_counter()
        for row in range(200):
            model.predict(features[row : row + 1])
        print(f"{name:24} {tau:11.3f} {r2:6.3f} {5 * (time.perf_counter() - started):17.2f}", flush=True)
    started = time.perf_counter()
    for arch in archs[:200]:
        list(ours(Trial(0, arch, 0)))
    milliseconds = 5 * (time.perf_counter() - started)
    print(f"{'--evaluator predictor':24} {ours.kendall_tau:11.3f} {'':6} {milliseconds:17.2f}")


if __name__ == "__main__":
    main()
