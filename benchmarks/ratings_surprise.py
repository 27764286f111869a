"""One cell of ``ratings.py`` by Surprise, in the environment that holds it.

usage: python benchmarks/ratings_surprise.py ALGORITHM PARTS.npz OUT.json
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np
from surprise import SVD, BaselineOnly, Dataset, KNNBaseline, Reader, SVDpp

PEARSON = {"name": "pearson_baseline"}
MAKE = {
    "BaselineOnly": lambda: BaselineOnly(verbose=False),
    "KNNBaseline-user": lambda: KNNBaseline(verbose=False),
    "KNNBaseline-item": lambda: KNNBaseline(sim_options={**PEARSON, "user_based": False}, verbose=False),
    "SVD": lambda: SVD(random_state=0),
    "SVDpp": lambda: SVDpp(random_state=0),
}
"""As in the table of Surprise's documentation; the item-based neighbourhood with the better similarity."""


def main() -> None:
    name, parts, out = sys.argv[1:]
    arrays = np.load(parts)
    users, items, values, held = (arrays[key] for key in ("users", "items", "values", "held"))
    values = values.astype(np.float64)
    rows = [(str(u), str(i), r, None) for u, i, r in zip(users[~held], items[~held], values[~held], strict=True)]
    trainset = Dataset(Reader(rating_scale=(values.min(), values.max()))).construct_trainset(rows)
    asked = list(zip(map(str, users[held]), map(str, items[held]), strict=True))
    started = time.process_time()
    algorithm = MAKE[name]().fit(trainset)
    fitted = time.process_time()
    found = np.array([algorithm.predict(user, item).est for user, item in asked])
    done = time.process_time()
    error = found - values[held]
    figures = {"rmse": float(np.sqrt(np.mean(error**2))), "mae": float(np.abs(error).mean())}
    figures |= {"fit_s": fitted - started, "predict_s": done - fitted}
    Path(out).write_text(json.dumps(figures) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
