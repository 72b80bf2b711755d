"""JSON exports: trials of jsPsych, and Meadows' trees of multiple arrangements."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from aisthesis.errors import RequestError
from aisthesis.judgments.files.arrangements import arranged_dissimilarity
from aisthesis.judgments.files.matrix import Matrix

__all__ = ["is_meadows", "json_trials", "load_json", "read_meadows"]

_ARRANGED = "multiarrange"


def load_json(path: Path) -> Any:
    """The content of a JSON file; of one with a value a line, a list of them.

    Raises
    ------
    RequestError
        If it is neither.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise RequestError(f"{path} cannot be read as UTF-8 text: {error}") from None
    try:
        return json.loads(text)
    except RecursionError:
        raise RequestError(f"{path.name} is not valid JSON: it is nested too deeply") from None
    except ValueError as whole:
        try:
            return [json.loads(line) for line in text.splitlines() if line.strip()]
        except (ValueError, RecursionError):
            raise RequestError(f"{path.name} is not valid JSON ({whole}); is it whole?") from None


def json_trials(path: Path) -> pd.DataFrame:
    """Trials, a row each, as jsPsych exports them: a list of objects, or a list of such lists.

    What is no text or number (an answer of several questions) becomes JSON again.

    Raises
    ------
    RequestError
        If the file holds anything else.
    """
    held = load_json(path)
    if isinstance(held, Mapping):  # {"trials": [...]}
        lists = [value for value in held.values() if isinstance(value, list)]
        held = lists[0] if len(lists) == 1 else held
    trials: list[Any] = []
    for one in held if isinstance(held, list) else [held]:
        trials += one if isinstance(one, list) else [one]
    if not trials or not all(isinstance(one, Mapping) for one in trials):
        raise RequestError(
            f"{path.name}: expected a list of trials ([{{...}}, {{...}}]), as jsPsych exports them"
        )
    columns = list(dict.fromkeys(key for trial in trials for key in trial))
    rows = [[_plain(trial.get(column)) for column in columns] for trial in trials]
    return pd.DataFrame(rows, columns=columns, dtype=object)


def _plain(value: Any) -> Any:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value


def is_meadows(held: Any) -> bool:
    """Whether JSON is a tree of Meadows: of one participation, or of several by name."""
    if not isinstance(held, Mapping):
        return False
    return _tree(held) or (bool(held) and all(map(_tree, held.values())))


def _tree(held: Any) -> bool:
    return isinstance(held, Mapping) and isinstance(held.get("tasks"), list)


def read_meadows(held: Any, path: Path) -> list[Matrix]:
    """Dissimilarities of every participation's tasks of multiple arrangement.

    They are Meadows' own (`rdm`), where the tree holds them; else they are worked out of the
    trials, as `arranged_dissimilarity` does.

    Raises
    ------
    RequestError
        If there is no such task, or a task says neither, or names no stimuli.
    """
    trees = {path.stem: held} if _tree(held) else dict(held)
    found: list[Matrix] = []
    for who, tree in trees.items():
        tasks = [task for task in tree["tasks"] if _is_arrangement(task)]
        for number, task in enumerate(tasks, start=1):
            subject = str(who) if len(tasks) == 1 else f"{who}-{number}"
            found.append(_of_task(task, subject, path.name))
    if not found:
        raise RequestError(f"{path.name} holds no task of multiple arrangement")
    return found


def _is_arrangement(task: Any) -> bool:
    if not isinstance(task, Mapping):
        return False
    kind = (task.get("task") or {}).get("task_type")
    return kind == _ARRANGED or (kind is None and "stimuli" in task)


def _of_task(task: Mapping[str, Any], subject: str, source: str) -> Matrix:
    said: tuple[str, ...] = ()
    try:
        stimuli = task["stimuli"]
        names = tuple(str(one["name"]) for one in stimuli)
        ids = {str(one.get("id", one["name"])): k for k, one in enumerate(stimuli)}
        ids |= {name: k for k, name in enumerate(names)}
        if task.get("rdm"):
            values = _of_pairs(task["rdm"], len(names), source)
        else:
            trials = [_of_trial(trial, ids) for trial in task["trials"]]
            trials = [trial for trial in trials if len(trial[0]) > 1]
            if not trials:
                raise RequestError(f"{source}: {subject} arranged nothing")
            values = arranged_dissimilarity(len(names), trials)
            said = (
                f"{len(trials)} arrangements of {subject} make one matrix, by the evidence of each "
                "distance",
            )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RequestError(
            f"{source}: expected stimuli with names, and rdm or trials with positions (id, x, y), "
            f"in the task of {subject} ({type(error).__name__}: {error})"
        ) from None
    return Matrix(names, values, subject, source, "dissimilarity", said=said)


def _of_pairs(flat: Sequence[Any], n: int, source: str) -> np.ndarray:
    """The upper triangle, row by row."""
    values = np.asarray(flat, dtype=np.float64).ravel()
    if len(values) != n * (n - 1) // 2:
        raise RequestError(
            f"{source}: expected {n * (n - 1) // 2} values for the pairs of {n} stimuli, got "
            f"{len(values)}"
        )
    matrix = np.zeros((n, n))
    matrix[np.triu_indices(n, 1)] = values
    return matrix + matrix.T


def _of_trial(trial: Mapping[str, Any], ids: Mapping[str, int]) -> tuple[np.ndarray, np.ndarray]:
    """Numbers and places of the stimuli of one trial."""
    places = trial["positions"]
    index = np.array([ids[str(one.get("id", one.get("name")))] for one in places], dtype=np.intp)
    return index, np.array([[float(one["x"]), float(one["y"])] for one in places]).reshape(-1, 2)
