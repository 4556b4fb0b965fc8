"""scikit-learn's hyperparameters: --space my_pipeline.py:SPACE --evaluator my_pipeline.py:evaluate"""

from sklearn.datasets import load_digits
from sklearn.model_selection import cross_validate
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.svm import SVC

from search_spaces import Decision, SearchSpace

IMAGES, LABELS = load_digits(return_X_y=True)
SCALERS = {"none": [], "standard": [StandardScaler()], "minmax": [MinMaxScaler()]}


def build(choices):
    """The pipeline as a text: C exists only under svc, and neighbors only under knn."""
    scaler, model, strength, neighbors = choices
    return f"{scaler} svc {strength}" if model == "svc" else f"{scaler} knn {neighbors}"


def evaluate(pipeline, trial):
    scaler, model, value = pipeline.split()
    last = SVC(C=float(value)) if model == "svc" else KNeighborsClassifier(int(value))
    found = cross_validate(make_pipeline(*SCALERS[scaler], last), IMAGES[:600], LABELS[:600], cv=3)
    return {"accuracy": found["test_score"].mean(), "worst_fold": found["test_score"].min()}


SPACE = SearchSpace("my-pipeline", [Decision("scaler", tuple(SCALERS)), Decision("model", ("svc", "knn")),
    Decision("C", (0.1, 1.0, 10.0)), Decision("neighbors", (1, 3, 5, 9))], build)  # fmt: skip
