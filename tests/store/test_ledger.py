"""A piece is done only while what it depended on and what it made are the same."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from aisthesis.store.ledger import Ledger, file_digest


@pytest.fixture
def ledger(tmp_path):
    (tmp_path / "table.csv").write_text("a\n1\n")
    made = Ledger(tmp_path)
    made.enter("fit/a", {"images": "i1", "weights": "w1"}, [tmp_path / "table.csv"], seconds=2)
    return made


def test_what_was_entered_is_done_and_its_notes_come_back(ledger) -> None:
    assert ledger.state("fit/a", {"images": "i1", "weights": "w1"}).done
    assert ledger.notes("fit/a") == {"seconds": 2}
    assert list(ledger.names("fit")) == ["fit/a"]
    assert ledger.state("fit/b", {}).kind == "to do"


def test_the_parts_that_changed_are_named(ledger) -> None:
    state = ledger.state("fit/a", {"images": "i2", "weights": "w1"})
    assert (state.kind, state.why) == ("stale", "images has changed")
    state = ledger.state("fit/a", {"images": "i2", "weights": "w2", "layer": "x"})
    assert state.why == "images, weights, layer have changed"


@pytest.mark.parametrize("content", [None, b"a\n2\n", b""])
def test_other_bytes_are_damage(ledger, content) -> None:
    file = ledger.root / "table.csv"
    file.unlink() if content is None else file.write_bytes(content)
    state = ledger.state("fit/a", {"images": "i1", "weights": "w1"})
    assert state.kind == "damaged"
    assert "table.csv" in state.why


def test_an_absent_file_has_to_stay_absent(ledger) -> None:
    late = ledger.root / "late"
    ledger.enter("chunk", {}, [late])
    assert ledger.state("chunk", {}).done
    late.write_text("x")
    assert ledger.state("chunk", {}).kind == "damaged"
    assert file_digest(ledger.root) is None


@pytest.mark.parametrize("garbage", [b"", b"{", b"[]", b'{"parts": 3}', b"\xff\xfe"])
def test_a_torn_entry_counts_for_nothing(ledger, garbage) -> None:
    (ledger.root / "ledger" / "fit" / "a.json").write_bytes(garbage)
    assert ledger.state("fit/a", {"images": "i1", "weights": "w1"}).kind == "to do"


def test_a_group_is_forgotten_with_what_is_in_it(ledger) -> None:
    ledger.enter("fit", {}, [])
    ledger.forget("fit")
    assert ledger.state("fit/a", {"images": "i1", "weights": "w1"}).kind == "to do"


def test_files_and_folders_are_on_the_disk_before_they_are_named(tmp_path, monkeypatch) -> None:
    events = []
    real = os.fsync

    def fsync(descriptor):
        events.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    file = tmp_path / "sub" / "a.csv"
    file.parent.mkdir()
    file.write_text("1")
    Ledger(tmp_path).enter("fit/a", {}, [file])
    entry = next(i for i, name in enumerate(events) if "fit/" in name)  # under another name first
    for path in (file, file.parent, tmp_path):
        assert str(path) in events[:entry]
    assert str(tmp_path / "ledger" / "fit") in events[entry:]


def test_it_vouches_only_for_the_bytes_that_it_named(ledger) -> None:
    file = ledger.root / "table.csv"
    assert ledger.vouches("fit/a", file)
    assert not ledger.vouches("fit/b", file)
    file.write_text("a\n2\n")
    assert not ledger.vouches("fit/a", file)
