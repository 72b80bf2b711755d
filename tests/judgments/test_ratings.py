from __future__ import annotations

import codecs
import math
import unicodedata

import numpy as np
import pandas as pd
import pytest

from aisthesis.errors import RequestError
from aisthesis.judgments.ratings.reading import read_ratings

WIDE = "image,rating\na.jpg,3.5\nb.jpg,1\nsub/c.jpg,-2e1\n"
LONG = "image,rater,rating\n" + "".join(
    f"{image}.jpg,{rater},{value + lean}\n"
    for image, value in (("a", 1), ("b", 5), ("c", 3), ("d", 9))
    for rater, lean in (("anna", 0), ("ben", 1), ("cleo", 0.5))
)


def write(tmp_path, text, encoding="utf-8", name="ratings.csv"):
    file = tmp_path / name
    file.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
    return file


def refused(file, **columns) -> str:
    with pytest.raises(RequestError) as caught:
        read_ratings(file, **columns)
    message = str(caught.value)
    assert "\n" not in message
    return message


# --- what is read ------------------------------------------------------------------------------


def check_wide(ratings):
    assert ratings.mean["image"].tolist() == ["a.jpg", "b.jpg", "sub/c.jpg"]
    assert ratings.mean["rating"].tolist() == [3.5, 1.0, -20.0]
    assert ratings.mean["sd"].isna().all()
    assert ratings.mean["n_raters"].isna().all()
    assert ratings.single is None
    assert ratings.noise_ceiling is None


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_delimiters_and_line_ends(tmp_path, delimiter, line_end):
    text = WIDE.replace(",", delimiter).replace("\n", line_end)
    check_wide(read_ratings(write(tmp_path, text)))


@pytest.mark.parametrize(
    "data",
    [
        codecs.BOM_UTF8 + WIDE.encode(),
        codecs.BOM_UTF16_LE + WIDE.encode("utf-16-le"),
        codecs.BOM_UTF16_BE + WIDE.encode("utf-16-be"),
        codecs.BOM_UTF32_LE + WIDE.encode("utf-32-le"),
    ],
)
def test_byte_order_marks(tmp_path, data):
    check_wide(read_ratings(write(tmp_path, data)))


@pytest.mark.parametrize(
    "text",
    [
        "\n\n" + WIDE + "\n \n",
        WIDE.replace("a.jpg", "  a.jpg "),
        WIDE.replace("a.jpg", '"a.jpg"'),
        WIDE.replace("a.jpg", "./a.jpg"),
        "rating,other,image\n3.5,x,a.jpg\n1,y,b.jpg\n-20,,sub/c.jpg\n",
        "sep=;\n" + WIDE.replace(",", ";"),
        WIDE.replace("\n", ",,\n").replace("image,rating,,", "image,rating"),
    ],
    ids=["blank lines", "spaces", "quotes", "dot slash", "more columns", "sep", "trailing commas"],
)
def test_spellings_of_the_same_table(tmp_path, text):
    check_wide(read_ratings(write(tmp_path, text)))


def test_other_column_names(tmp_path):
    text = WIDE.replace("image,rating", "file,MOS")
    check_wide(read_ratings(write(tmp_path, text), image="file", rating="MOS"))


def test_delimiter_is_not_fooled_by_a_file_name(tmp_path):
    text = "image;rating\na,b,c.jpg;1\nd.jpg;2\n"
    assert read_ratings(write(tmp_path, text)).mean["image"].tolist() == ["a,b,c.jpg", "d.jpg"]


def test_a_quoted_name_with_delimiter_quote_and_odd_line_separators(tmp_path):
    name = 'a "b", c\u2028d\x0be.jpg'
    cell = name.replace('"', '""')
    text = f'image,rating\n"{cell}",1\nb.jpg,2\n'
    assert read_ratings(write(tmp_path, text)).mean["image"].tolist() == [name, "b.jpg"]


def test_long_format(tmp_path):
    ratings = read_ratings(write(tmp_path, LONG))
    assert ratings.mean["image"].tolist() == ["a.jpg", "b.jpg", "c.jpg", "d.jpg"]
    assert ratings.mean["rating"].tolist() == [1.5, 5.5, 3.5, 9.5]
    assert ratings.mean["n_raters"].tolist() == [3, 3, 3, 3]
    assert ratings.mean["sd"].tolist() == pytest.approx([0.5] * 4)
    assert len(ratings.single) == 12
    assert set(ratings.single["rater"]) == {"anna", "ben", "cleo"}
    assert ratings.noise_ceiling.reliability == pytest.approx(1.0)


def test_long_format_equals_pandas_on_random_ratings(tmp_path):
    rng = np.random.default_rng(3)
    table = pd.DataFrame(
        [
            (f"{i}.jpg", f"r{r}", rng.normal())
            for i in range(30)
            for r in rng.choice(9, size=rng.integers(1, 9), replace=False)
        ],
        columns=["image", "rater", "rating"],
    )
    table.to_csv(tmp_path / "ratings.csv", index=False)
    ours = read_ratings(tmp_path / "ratings.csv").mean.set_index("image")
    theirs = table.groupby("image")["rating"].agg(["mean", "std", "count"])
    for column, name in (("rating", "mean"), ("sd", "std"), ("n_raters", "count")):
        assert ours[column].astype(float).to_numpy() == pytest.approx(
            theirs.loc[ours.index, name].to_numpy(dtype=float), nan_ok=True
        )


def test_the_order_of_rows_changes_no_number(tmp_path):
    header, *rows = LONG.replace("0.5", "0.1234567").strip().split("\n")
    shuffled = "\n".join([header, *np.random.default_rng(0).permutation(rows)]) + "\n"
    first = read_ratings(write(tmp_path, "\n".join([header, *rows])))
    second = read_ratings(write(tmp_path, shuffled))
    pd.testing.assert_frame_equal(
        first.mean.sort_values("image", ignore_index=True),
        second.mean.sort_values("image", ignore_index=True),
        check_exact=True,
    )
    assert first.noise_ceiling == second.noise_ceiling


def test_both_unicode_spellings_in_a_long_table_are_one_image(tmp_path):
    composed, decomposed = (unicodedata.normalize(form, "é.jpg") for form in ("NFC", "NFD"))
    text = f"image,rater,rating\n{composed},a,1\n{decomposed},b,3\nx.jpg,a,5\nx.jpg,b,6\n"
    ratings = read_ratings(write(tmp_path, text))
    assert ratings.mean["image"].tolist() == [composed, "x.jpg"]
    assert ratings.mean["rating"].tolist() == [2.0, 5.5]


def test_raise(shared):
    mean = read_ratings(shared / "data" / "raise" / "ratings.csv").mean
    assert len(mean) == 510
    reference = pd.read_csv(shared / "data" / "raise" / "ratings.csv")
    assert mean["rating"].tolist() == reference["rating"].tolist()
    assert mean["image"].tolist() == reference["image"].tolist()


# --- what is refused ---------------------------------------------------------------------------


def test_all_faults_are_named_at_once_with_their_lines(tmp_path):
    text = (
        "image,rating\n"  # line 1
        "a.jpg,1\n"
        "b.jpg,good\n"
        "\n"
        "c.jpg,\n"
        "d.jpg,inf\n"
        "a.jpg,2\n"
        ",5\n"
        "e.jpg,NaN\n"
        "f.jpg,1,5\n"
        "g.jpg\n"
        "h.jpg,1e999\n"
        "i.jpg,1_000\n"
    )
    message = refused(write(tmp_path, text))
    assert message.startswith("ratings.csv cannot be used as it is (11 rows). ")
    assert "text instead of a rating: line 3 ('good'), line 13 ('1_000')" in message
    assert "the rating is missing: line 5, line 9 ('NaN')" in message
    assert "the rating is infinite: line 6 ('inf'), line 12 ('1e999')" in message
    assert "an image twice: line 7 ('a.jpg', first on line 2)" in message
    assert "the image's name is missing: line 8" in message
    assert "line 10 (3 cells, 2 columns; is there a decimal comma?)" in message
    assert "line 11 (1 cells, 2 columns)" in message


def test_ten_of_each_kind_are_listed_and_the_rest_counted(tmp_path):
    text = "image,rating\n" + "".join(f"{i}.jpg,bad\n" for i in range(25))
    message = refused(write(tmp_path, text))
    assert "line 11 ('bad') and 15 more" in message
    assert "line 12" not in message


def test_line_numbers_count_the_lines_inside_quoted_cells(tmp_path):
    text = 'image,rating,note\na.jpg,1,"two\nlines"\nb.jpg,x,\n'
    assert "line 4 ('x')" in refused(write(tmp_path, text))


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_decimal_commas(tmp_path, delimiter):
    text = WIDE.replace(",", delimiter).replace("3.5", "3,5")
    assert "a decimal comma: line 2 ('3,5', write 3.5)" in refused(write(tmp_path, text))


def test_the_same_image_twice_in_two_unicode_spellings(tmp_path):
    composed, decomposed = (unicodedata.normalize(form, "é.jpg") for form in ("NFC", "NFD"))
    text = f"image,rating\n{composed},1\n{decomposed},2\n"
    assert "an image twice: line 3" in refused(write(tmp_path, text))


def test_the_same_rater_twice(tmp_path):
    message = refused(write(tmp_path, LONG + "a.jpg,ben,4\n,ben,4\nb.jpg,,2\n"))
    assert "by the same rater: line 14 ('a.jpg' by 'ben', first on line 3)" in message
    assert "the image's name is missing: line 15" in message
    assert "the rater is missing: line 16" in message


def test_missing_columns_name_the_nearest(tmp_path):
    message = refused(write(tmp_path, WIDE.replace("rating", "Ratings")))
    assert "no column 'rating' (did you mean 'Ratings'?); its columns are 'image', 'Ratings'" in (
        message
    )
    assert "[columns]" in message
    assert "no column 'picture'" in refused(write(tmp_path, WIDE), image="picture")


def test_a_column_twice(tmp_path):
    message = refused(write(tmp_path, "image,rating,rating\na.jpg,1,2\n"))
    assert "'rating' is there 2 times" in message


@pytest.mark.parametrize("text", ["", "\n \n", "\ufeff"])
def test_an_empty_file(tmp_path, text):
    assert "ratings.csv is empty" in refused(write(tmp_path, text))


def test_a_header_alone(tmp_path):
    assert "holds a header and no rows" in refused(write(tmp_path, "image,rating\n"))


def test_constant_ratings(tmp_path):
    text = "image,rating\n" + "".join(f"{i}.jpg,3\n" for i in range(12))
    assert "all 12 images have the same mean rating (3)" in refused(write(tmp_path, text))
    # Equal but for the last digit, as means over different numbers of raters are.
    text = "image,rater,rating\n" + "".join(
        f"{i}.jpg,r{r},{3.1}\n" for i in range(5) for r in range(i + 1)
    )
    assert "all 5 images have the same mean rating (3.1)" in refused(write(tmp_path, text))


def test_latin_1_is_refused_with_the_place(tmp_path):
    text = "image,rating\na.jpg,1\ncafé.jpg,2\n"
    message = refused(write(tmp_path, text, "latin-1"))
    assert "is not UTF-8 text (byte 0xE9 on line 3); save it as UTF-8" in message


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"PK\x03\x04rest of an .xlsx", "is a spreadsheet workbook"),
        (WIDE.encode("utf-16-le"), "is not text (it holds NUL characters)"),
        (b'image,rating\na.jpg,"1\nb.jpg,2\n', "line 2 cannot be read as a row"),
    ],
)
def test_what_is_no_table(tmp_path, data, words):
    assert words in refused(write(tmp_path, data))


def test_a_missing_file_and_a_folder(tmp_path):
    assert "There is no file" in refused(tmp_path / "nothing.csv")
    assert "is a folder; give the CSV" in refused(tmp_path)


def test_one_image_alone_is_left_for_the_split_to_refuse(tmp_path):
    assert math.isclose(read_ratings(write(tmp_path, "image,rating\na,1\n")).mean["rating"][0], 1)
