"""What is broken on purpose; the first table in docs/faults.md is made from this list.

Whether a row holds for studies of ratings, of similarities or of both is read off its tests.
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import NamedTuple

__all__ = ["BROKEN", "Broken", "studies_of"]


class Broken(NamedTuple):
    """One fault, what happens, and the tests that make it: file and functions."""

    fault: str
    outcome: str
    file: str
    tests: tuple[str, ...]
    #: Why studies of the other kind cannot have the fault, where they cannot.
    alone: str = ""


_SAME = "the next run goes on; same result"
_KILLS, _CLUSTER = "test_interruptions", "test_cluster"
_DAMAGE, _FOREIGN, _TORN = "test_damage", "test_foreign_folder", "test_torn_files"
_MOVING, _TORN_TOO = "test_moving", "test_torn_alignment"
_STREAMS, _OURS = "test_streams", "test_what_is_ours"
_SCRIPTS = "test_other_scripts"
_WORKERS = "others are shared out by the same code"

BROKEN = [
    Broken("`kill -9` at twelve random moments", _SAME, _KILLS,
           ("test_kill_9_at_random_moments_loses_nothing",)),
    Broken("`kill -9` after every finished piece, up to sixty times", "nothing that was finished "
           "is done again; same result", _KILLS,
           ("test_kills_one_after_another_on_the_same_study",)),
    Broken("Ctrl-C", "one line, exit code 130; same result afterwards", _KILLS,
           ("test_ctrl_c_says_how_to_go_on",)),
    Broken("a second run on the same folder", "refused; names process, machine and time of the "
           "first", _KILLS, ("test_a_second_run_on_the_same_folder_is_told_so",)),
    Broken("a Dask worker killed while embedding, while making maps", "its chunk is done by "
           "another; same result", _CLUSTER,
           ("test_workers_killed_in_the_middle_lose_nothing",), _WORKERS),
    Broken("the Dask scheduler killed and restarted with its workers", "waited for, unfinished "
           "chunks given again; same result", _CLUSTER,
           ("test_the_scheduler_lost_and_restarted",), _WORKERS),
    Broken("no scheduler there; workers that are all gone", "one sentence, after 30 s at first "
           "and 120 s later", _CLUSTER,
           ("test_no_scheduler_is_one_sentence",
            "test_workers_that_are_all_gone_are_not_waited_for_for_ever"), _WORKERS),
    Broken("a worker that stands still before the first task", "refused by name after 60 s",
           _CLUSTER, ("test_a_worker_that_stands_still_is_not_waited_for",), _WORKERS),
    Broken("a worker with other sources, another version of aisthesis, torch, NumPy or Python",
           "refused by name before the first task", _CLUSTER,
           ("test_a_worker_with_other_sources_is_refused_before_the_first_task",
            "test_every_version_that_results_depend_on_is_compared"), _WORKERS),
    Broken("a worker that does not see the study's folder", "one sentence", _CLUSTER,
           ("test_a_folder_that_a_worker_does_not_see_is_said",), _WORKERS),
    Broken("a helper process of `--workers` killed", "one sentence; same result afterwards",
           _CLUSTER, ("test_processes_killed_in_the_middle_are_said_and_gone_on_from",), _WORKERS),
    Broken("an image cut short between two runs", "refused by name; put back, nothing is redone",
           _DAMAGE, ("test_an_image_corrupted_between_two_runs",)),
    Broken("an image replaced between two runs, with an older date", "stale; what depends on it "
           "is computed anew", _DAMAGE,
           ("test_an_image_replaced_between_two_runs_makes_stale_what_depends_on_it",)),
    Broken("an image changed while the study runs", "stopped by name; same result afterwards",
           _DAMAGE, ("test_an_image_changed_while_the_study_runs",)),
    Broken("a weights file swapped under a running study", "stopped; the next run computes anew "
           "with the new weights", _DAMAGE, ("test_weights_swapped_under_a_running_study",)),
    Broken("a chunk of the store truncated, emptied, deleted, one bit flipped", "found by its "
           "digest, that chunk is redone; same result", _DAMAGE,
           ("test_a_damaged_chunk_of_the_store_is_found_and_done_again",)),
    Broken("a table or a head damaged", "found by its digest, made again; same result", _DAMAGE,
           ("test_a_damaged_table_or_head_is_made_again",)),
    Broken("embeddings damaged, ledger gone", "computed again; same result", _DAMAGE,
           ("test_damaged_embeddings_are_computed_again",), "others keep none"),
    Broken("each kind of file that a study keeps truncated, emptied, overwritten with `null` or "
           "garbage", "`status` says damaged, or to do; no traceback", _TORN,
           ("test_status_tells_every_kind_of_torn_file",)),
    Broken("`provenance.json` `null`, the root of `maps.zarr` emptied, cached predictions and "
           "embeddings torn, all at once", "made again; same result", _TORN,
           ("test_the_same_command_makes_torn_files_again",)),
    Broken("the description of a group of `maps.zarr` gone", "made again; same result", _TORN,
           ("test_a_lost_description_of_a_group_is_made_again",)),
    Broken("each kind of file of a study of similarity judgments torn likewise", "`status` says "
           "damaged, stale or to do; no traceback", _TORN_TOO,
           ("test_status_tells_every_kind_of_torn_file_of_an_alignment",)),
    Broken("its `provenance.json` `null`, its matrices, cache and the root of `maps.zarr` torn; a "
           "group lost", "made again; same result", _TORN_TOO,
           ("test_torn_files_of_an_alignment_are_made_again",
            "test_a_lost_group_of_an_alignment_is_told_and_made_again")),
    Broken("a project moved or renamed; a study's folder moved alone", "`status` says done, "
           "nothing is computed again", _MOVING,
           ("test_a_moved_project_stays_usable",
            "test_a_study_moved_without_its_images_finds_them")),
    Broken("the study file in a copied folder, of this version or 0.1.0", "works in the copy; the "
           "original is not touched", _MOVING,
           ("test_a_copys_study_file_never_works_on_the_original",)),
    Broken("images removed, some or all", "`status` says so in one line and whether the rest is "
           "whole; the report is made from what is stored", _MOVING,
           ("test_status_and_report_work_without_the_images",
            "test_damage_is_told_without_the_images")),
    Broken("`out` that holds one's own study file", "refused in one sentence; the file stays",
           _MOVING, ("test_a_users_own_study_file_is_not_overwritten",)),
    Broken("garbage in half of the ledger", "not believed, done again; same result", _DAMAGE,
           ("test_garbage_in_the_ledger_is_not_believed",)),
    Broken("no space left, six times, each time a little later", "one sentence that says so; same "
           "result in the end", _DAMAGE, ("test_no_space_left",)),
    Broken("read-only output folder", "one sentence", _DAMAGE, ("test_a_read_only_output_folder",)),
    Broken("all dates in the future, as after a clock was set back", "nothing is redone, damage "
           "still found", _DAMAGE, ("test_a_clock_set_back_changes_nothing",)),
    Broken("a link in the place of anything that a study holds or writes (to a file, a folder, a "
           "device, to nowhere)", "refused in one sentence; nothing outside is read, written or "
           "deleted", _FOREIGN, ("test_no_link_in_a_folder_is_followed",)),
    Broken("a pipe, a socket or an endless file in such a place", "refused in one sentence, "
           "within 10 s", _FOREIGN, ("test_only_files_of_a_studys_size_are_opened",)),
    Broken("a zip, a zarr array or a chunk that names gigabytes and holds nothing", "refused in "
           "one sentence before it is read", _FOREIGN,
           ("test_arrays_that_name_far_more_than_they_hold_are_refused",)),
    Broken("settings in a folder that would run code (`preload`, a worker's class, a prologue, a "
           "scheduler)", "`status` and `report` start nothing, other commands refuse", _FOREIGN,
           ("test_a_folders_settings_run_nothing",), _WORKERS),
    Broken("a ledger that names files outside the folder", "not believed", _FOREIGN,
           ("test_a_ledger_names_no_file_outside_and_no_endless_one",)),
    Broken("standard error full or closed", "its words are dropped; the work is done, the exit "
           "code true", _STREAMS,
           ("test_status_answers_though_standard_error_is_bad",
            "test_work_is_done_though_its_progress_cannot_be_said")),
    Broken("standard output full or closed", "the work is done; one sentence, exit code 1",
           _STREAMS,
           ("test_status_that_cannot_be_printed_is_a_failure",
            "test_predictions_are_kept_though_nothing_can_be_said")),
    Broken("half-written files left by a killed run", "swept by the next one, by their names; "
           "nothing else is", _OURS, ("test_what_a_killed_run_was_writing_is_swept",)),
    Broken("a folder, file or link of one's own where the demo renders its images", "refused in "
           "one sentence, nothing is deleted; what an interrupted demo left is mended", _OURS,
           ("test_a_demo_deletes_nothing_that_it_did_not_make",
            "test_an_interrupted_demo_is_mended")),
    Broken("a table that `predict` wrote, edited by hand", "not overwritten without `--force`",
           _OURS, ("test_predictions_that_were_edited_are_not_overwritten",),
           "others predict nothing"),
    Broken("a working folder whose name is no UTF-8", "studies are refused in one sentence and "
           "leave nothing; `planted`, `pair` and `status` work", _SCRIPTS,
           ("test_a_working_folder_that_is_no_utf_8",)),
    Broken("letters in figures that no installed font has", "one warning names them; letters that "
           "some font has are drawn with it", _SCRIPTS, ("test_letters_that_no_font_has",)),
]  # fmt: skip

_ROOT = Path(__file__).parent


def studies_of(row: Broken) -> str:
    """Which kinds of studies a row's tests try, by the names of their fixtures.

    `folder` and `whole` are a finished study of each kind, `aligned` one of similarities.

    Raises
    ------
    LookupError
        If a test is not there.
    """
    tree = ast.parse((_ROOT / f"{row.file}.py").read_text(encoding="utf-8"))
    arguments = {
        node.name: {argument.arg for argument in node.args.args}
        for node in tree.body
        if isinstance(node, ast.FunctionDef)
    }
    if any(name not in arguments for name in row.tests):
        raise LookupError(f"{row.file}.py has not all of {', '.join(row.tests)}")
    if all({"folder", "whole"} & arguments[name] for name in row.tests):
        return "both"
    if row.alone:
        return f"ratings ({row.alone})"
    aligned = all("aligned" in arguments[name] for name in row.tests)
    return "similarities" if aligned else "ratings"
