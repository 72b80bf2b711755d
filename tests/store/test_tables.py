"""Names stay text in every table, whatever they look like."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from aisthesis.errors import RequestError
from aisthesis.store import tables
from aisthesis.store.files import refuse_overwriting, write_csv
from aisthesis.store.tables import TEXT_COLUMNS, read_csv, read_long_csv

NAMES = ["01", "1", "1e5", "1.0", "NA", "nan", "None", "null", "True", "-", "inf", "N/A", "0x1"]


@pytest.mark.parametrize("column", sorted(TEXT_COLUMNS))
@pytest.mark.parametrize("names", [NAMES, ["18", "152"], ["None", "null"], ["True", "False"]])
def test_a_name_reads_back_as_it_was_written(tmp_path, column, names) -> None:
    write_csv(tmp_path / "t.csv", pd.DataFrame({column: names, "mean": np.arange(len(names))}))
    read = read_csv(tmp_path / "t.csv")
    assert read[column].tolist() == names
    assert pd.api.types.is_integer_dtype(read["mean"])


def test_undefined_numbers_are_empty_cells_and_come_back_as_nan(tmp_path) -> None:
    write_csv(tmp_path / "t.csv", pd.DataFrame({"image": ["NA", "b"], "mean": [np.nan, 1.5]}))
    read = read_csv(tmp_path / "t.csv")
    np.testing.assert_array_equal(read["mean"], [np.nan, 1.5])


@pytest.mark.parametrize("offset", [1e4, 1e7, 1.7e9, -1.7e9])
def test_values_far_from_zero_keep_the_digits_of_their_differences(tmp_path, offset) -> None:
    values = offset + np.array([1 / 3, 2 / 3, np.nan, 1.0])
    write_csv(tmp_path / "t.csv", pd.DataFrame({"image": list("abcd"), "rating": values}))
    np.testing.assert_allclose(read_csv(tmp_path / "t.csv")["rating"], values, rtol=1e-14)


def test_only_a_table_of_our_own_columns_is_written_over(tmp_path) -> None:
    columns = ("image", "backbone", "seed", "prediction")
    path = tmp_path / "t.csv"
    refuse_overwriting(path, columns)
    write_csv(path, pd.DataFrame([["a", "b", "0", 1.0]], columns=columns))
    refuse_overwriting(path, columns)
    for other in (b"image,rating\na.png,1\n", b"", b"image,backbone,seed,prediction,mine\n"):
        path.write_bytes(other)
        with pytest.raises(RequestError, match=r"was not written by this command.*--force"):
            refuse_overwriting(path, columns)
        assert path.read_bytes() == other
    with pytest.raises(RequestError, match="already there"):
        refuse_overwriting(tmp_path, columns)


@pytest.mark.parametrize("rows", [0, 1, 7])
def test_a_long_table_reads_as_any_other_with_its_names_as_categories(
    tmp_path, monkeypatch, rows
) -> None:
    table = pd.DataFrame({
        "image": ["é", "NA", "01", "b", "01", "a", "b"][:rows],
        "map": ["ais"] * rows,
        "value": [1.5, np.nan, 2, 3, np.nan, np.nan, 0.25][:rows],
    })  # fmt: skip
    write_csv(tmp_path / "t.csv", table)
    monkeypatch.setattr(tables, "_ROWS_AT_ONCE", 2)
    read = read_long_csv(tmp_path / "t.csv")
    whole = read_csv(tmp_path / "t.csv")
    assert read.columns.tolist() == whole.columns.tolist()
    for name in ("image", "map"):
        assert read[name].tolist() == whole[name].tolist()
        assert read[name].cat.categories.tolist() == sorted(set(whole[name]))
    np.testing.assert_array_equal(read["value"].astype(float), whole["value"].astype(float))
    some = read_long_csv(tmp_path / "t.csv", lambda part: part[part["image"] == "b"])
    assert some["value"].tolist() == whole.loc[whole["image"] == "b", "value"].tolist()
