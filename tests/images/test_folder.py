from __future__ import annotations

import hashlib
import os
import unicodedata

import pytest
from PIL import Image

from aisthesis.errors import RequestError
from aisthesis.images import ImageFault, ImageFolder


def save(path, colour="red"):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (16, 12), colour).save(path)
    return path


def test_lists_images_by_extension_in_subfolders_sorted_without_hidden_files(tmp_path):
    for name in ("b.png", "a.JPG", "sub/deep/c.jpeg", ".hidden.png", ".trash/d.png"):
        save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "._a.JPG").write_bytes(b"resource fork")
    assert ImageFolder(tmp_path).names == ("a.JPG", "b.png", "sub/deep/c.jpeg")


def test_an_empty_folder_has_no_names(tmp_path):
    assert ImageFolder(tmp_path).names == ()


def test_a_missing_folder_and_a_file_are_refused(tmp_path):
    with pytest.raises(RequestError, match=r"no image folder .*nowhere"):
        ImageFolder(tmp_path / "nowhere")
    with pytest.raises(RequestError, match=r"a\.png is a file; give the folder"):
        ImageFolder(save(tmp_path / "a.png"))


@pytest.mark.parametrize(
    "name",
    [
        "../outside.png",
        "sub/../../outside.png",
        "/etc/passwd",
        "C:\\photos\\a.png",
        "\\\\server\\a.png",
        "\\a.png",
    ],
)
def test_a_path_that_leaves_the_folder(tmp_path, name):
    save(tmp_path / "outside.png")
    (tmp_path / "in" / "sub").mkdir(parents=True)
    folder = ImageFolder(tmp_path / "in")
    for use in (folder.path, folder.load, folder.digest):
        with pytest.raises(ImageFault, match="leads out of the image folder"):
            use(name)
    assert name not in folder


def test_an_absolute_path_is_refused_even_if_it_leads_inside(tmp_path):
    file = save(tmp_path / "a.png")
    with pytest.raises(ImageFault, match="names are relative"):
        ImageFolder(tmp_path).path(str(file))


def test_links_may_stay_inside_and_not_lead_out(tmp_path):
    outside = save(tmp_path / "outside.png")
    inside = save(tmp_path / "in" / "a.png")
    (tmp_path / "in" / "out.png").symlink_to(outside)
    (tmp_path / "in" / "same.png").symlink_to(inside)
    (tmp_path / "in" / "gone.png").symlink_to(tmp_path / "in" / "nothing.png")
    folder = ImageFolder(tmp_path / "in")
    assert folder.names == ("a.png", "same.png")
    assert folder.load("same.png").size == (16, 12)
    with pytest.raises(ImageFault, match="leads out of the image folder"):
        folder.load("out.png")
    with pytest.raises(ImageFault, match="is not in the image folder"):
        folder.load("gone.png")


def test_loops_of_links_end(tmp_path):
    save(tmp_path / "a.png")
    (tmp_path / "loop").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "self.png").symlink_to(tmp_path / "self.png")
    folder = ImageFolder(tmp_path)
    assert "a.png" in folder.names
    assert not any(name.startswith("loop/") for name in folder.names)
    with pytest.raises(ImageFault):
        folder.load("self.png")


def test_the_folder_itself_may_be_a_link(tmp_path):
    save(tmp_path / "real" / "a.png")
    (tmp_path / "link").symlink_to(tmp_path / "real", target_is_directory=True)
    assert ImageFolder(tmp_path / "link").load("a.png").size == (16, 12)


@pytest.mark.parametrize("name", ["", "a\0.png"])
def test_names_that_are_none(tmp_path, name):
    with pytest.raises(ImageFault, match="is not a file name"):
        ImageFolder(tmp_path).path(name)


def test_a_name_too_long_for_any_file_system(tmp_path):
    with pytest.raises(ImageFault, match="is not in the image folder"):
        ImageFolder(tmp_path).path("x" * 5000 + ".png")


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ("portrait.JPG", "portrait.jpg"),
        ("portrait", "portrait.jpg"),
        ("portrait.png", "portrait.jpg"),
        ("photos/portrait.jpg", "portrait.jpg"),
        ("protrait.jpg", "portrait.jpg"),
        ("sub\\dog.png", "sub/dog.png"),
        ("dog.png", "sub/dog.png"),
    ],
)
def test_a_name_that_is_nearly_right_is_met_with_the_right_one(tmp_path, asked, meant):
    save(tmp_path / "portrait.jpg")
    save(tmp_path / "sub" / "dog.png")
    with pytest.raises(ImageFault) as caught:
        ImageFolder(tmp_path).load(asked)
    assert f"did you mean {meant}" in caught.value.reason


def test_both_unicode_spellings_of_a_name_find_the_file(tmp_path):
    composed = unicodedata.normalize("NFC", "café.png")
    decomposed = unicodedata.normalize("NFD", "café.png")
    assert composed != decomposed
    save(tmp_path / decomposed)
    folder = ImageFolder(tmp_path)
    assert folder.load(composed).size == (16, 12)
    assert folder.listed_name(composed) in folder.names
    assert composed in folder


def test_two_files_that_differ_only_in_unicode_spelling_stay_two(tmp_path):
    save(tmp_path / unicodedata.normalize("NFC", "café.png"), "red")
    save(tmp_path / unicodedata.normalize("NFD", "café.png"), "blue")
    if len(os.listdir(tmp_path)) < 2:  # noqa: PTH208
        pytest.skip("this file system takes both spellings for one name")
    folder = ImageFolder(tmp_path)
    colours = {folder.load(name).getpixel((0, 0)) for name in folder.names}
    assert colours == {(255, 0, 0), (0, 0, 255)}


def test_digest_is_of_the_bytes(tmp_path):
    file = save(tmp_path / "a.png")
    folder = ImageFolder(tmp_path)
    assert folder.digest("a.png") == hashlib.sha256(file.read_bytes()).hexdigest()
    with pytest.raises(ImageFault):
        folder.digest("b.png")
    (tmp_path / "x.jpg").mkdir()
    with pytest.raises(ImageFault, match=r"x\.jpg cannot be read"):
        folder.digest("x.jpg")


def test_raise(shared):
    folder = ImageFolder(shared / "data" / "raise" / "images")
    assert len(folder) == 510
    assert folder.names[0] == "f1.jpg"


def test_names_that_were_listed_are_known_without_asking_the_disk(tmp_path, monkeypatch):
    save(tmp_path / "a.png")
    folder = ImageFolder(tmp_path)
    assert folder.names == ("a.png",)
    monkeypatch.setattr(ImageFolder, "path", lambda *_: pytest.fail("the disk was asked"))
    assert folder.why_not("a.png") is None
    assert folder.listed_name("a.png") == folder.listed_name("./a.png") == "a.png"
