"""NAS-Bench-201's cells, told by a table: --space my_cells.py:SPACE --evaluator my_cells.py:evaluate"""

from search_spaces import Decision, SearchSpace

EDGES = ("0>1", "0>2", "1>2", "0>3", "1>3", "2>3")
PATHS = (("0>3",), ("0>1", "1>3"), ("0>2", "2>3"), ("0>1", "1>2", "2>3"))
SCORE = {"none": 0.0, "skip": 0.2, "pool3x3": 0.3, "conv1x1": 0.6, "conv3x3": 1.0}
WEIGHTS = {"none": 0, "skip": 0, "pool3x3": 0, "conv1x1": 256, "conv3x3": 2304}


def build(ops):
    """The cell as a tuple of texts; an edge that no path from input to output uses makes no difference."""
    cell = dict(zip(EDGES, ops, strict=True))
    used = {edge for path in PATHS if all(cell[edge] != "none" for edge in path) for edge in path}
    return tuple(f"{edge}:{cell[edge] if edge in used else 'none'}" for edge in EDGES)


def evaluate(cell, trial):
    """What the table says of the cell: its accuracy."""
    cell = dict(part.split(":") for part in cell)
    scores = [min(SCORE[cell[edge]] for edge in path) * len(path) for path in PATHS]
    return 0.1 + 0.85 * sum(scores) / sum(map(len, PATHS))


def cost(cell):
    """What is known of a cell before it is trained: its weights."""
    return {"params": 10_000 + sum(WEIGHTS[part.split(":")[1]] for part in cell)}


SPACE = SearchSpace("my-cells", [Decision(edge, tuple(SCORE)) for edge in EDGES], build, cost=cost)
