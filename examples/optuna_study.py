"""An Optuna study that dyna samples: the same lines as with any other sampler.

python examples/optuna_study.py
"""

import optuna
from sklearn.datasets import load_digits
from sklearn.model_selection import cross_val_score
from sklearn.neighbors import KNeighborsClassifier

from controllers.optuna import DynaSampler

IMAGES, LABELS = load_digits(return_X_y=True)


def objective(trial: optuna.Trial) -> float:
    """Accuracy of nearest neighbours on scanned digits."""
    model = KNeighborsClassifier(
        n_neighbors=trial.suggest_int("n_neighbors", 1, 15),
        weights=trial.suggest_categorical("weights", ["uniform", "distance"]),
        metric=trial.suggest_categorical("metric", ["euclidean", "manhattan", "chebyshev"]),
    )
    return cross_val_score(model, IMAGES, LABELS, cv=3).mean()


if __name__ == "__main__":
    study = optuna.create_study(direction="maximize", sampler=DynaSampler(seed=0))
    study.optimize(objective, n_trials=20)
    print(study.best_value, study.best_params)
