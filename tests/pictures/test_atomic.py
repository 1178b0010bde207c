"""Files that appear whole or not at all."""

import errno
import os
import stat

import pytest

from npfuse.pictures.atomic import written_in_place


def write(path, *, overwrite=False, content=b"new"):
    with written_in_place(path, overwrite=overwrite) as file:
        file.write(content)


def refuse_links(*arguments):
    raise OSError(errno.EPERM, "Operation not permitted")


@pytest.mark.parametrize("before", [None, b"old"])
@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
def test_a_failed_writing_leaves_the_folder_as_it_was(tmp_path, before, error):
    file = tmp_path / "a"
    if before:
        file.write_bytes(before)

    def fail():
        with written_in_place(file, overwrite=True) as stream:
            stream.write(b"half")
            stream.flush()
            raise error

    with pytest.raises(type(error)):
        fail()
    assert list(tmp_path.iterdir()) == ([file] if before else [])
    assert not before or file.read_bytes() == before


def test_an_interrupt_while_moving_leaves_the_folder_as_it_was(tmp_path, monkeypatch):
    def interrupt(*arguments):
        raise KeyboardInterrupt

    (tmp_path / "a").write_bytes(b"old")
    monkeypatch.setattr(os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "a", overwrite=True)
    assert [file.name for file in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_bytes() == b"old"


def test_an_existing_file_is_overwritten_only_when_asked(tmp_path):
    write(tmp_path / "a", content=b"old")
    with pytest.raises(FileExistsError, match="exists already"):
        write(tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == b"old"
    write(tmp_path / "a", overwrite=True)
    assert (tmp_path / "a").read_bytes() == b"new"
    assert [file.name for file in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize("links", [True, False], ids=["links", "no links"])
def test_a_file_that_appears_meanwhile_is_not_overwritten(tmp_path, monkeypatch, links):
    file = tmp_path / "a"
    if not links:
        monkeypatch.setattr(os, "link", refuse_links)
    with pytest.raises(FileExistsError), written_in_place(file, overwrite=False):
        file.write_bytes(b"somebody else's")
    assert file.read_bytes() == b"somebody else's"
    assert list(tmp_path.iterdir()) == [file]


def test_folders_without_hard_links_are_written_to(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "link", refuse_links)
    write(tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == b"new"
    assert [file.name for file in tmp_path.iterdir()] == ["a"]


def test_a_failed_move_without_hard_links_leaves_no_empty_file(tmp_path, monkeypatch):
    def fail(*arguments):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "link", refuse_links)
    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="Input/output error"):
        write(tmp_path / "a")
    assert list(tmp_path.iterdir()) == []


def test_the_umask_decides_on_the_permissions(tmp_path):
    before = os.umask(0o027)
    try:
        write(tmp_path / "a")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640


def test_overwriting_a_symbolic_link_replaces_what_it_leads_to(tmp_path):
    (tmp_path / "there").mkdir()
    target, link = tmp_path / "there" / "b", tmp_path / "a"
    target.write_bytes(b"old")
    link.symlink_to(target)
    write(link, overwrite=True)
    assert link.is_symlink()
    assert target.read_bytes() == b"new"
