"""The few things asked of a disk."""

import pytest

from kitecli.store.disk import Disk


def test_a_file_is_new_or_refused(tmp_path):
    disk = Disk()
    descriptor = disk.create(tmp_path / "a")
    assert disk.write(descriptor, b"some bytes") == 10
    disk.sync(descriptor)
    disk.close(descriptor)
    disk.sync_folder(tmp_path)
    assert (tmp_path / "a").read_bytes() == b"some bytes"
    with pytest.raises(FileExistsError):
        disk.create(tmp_path / "a")


def test_a_file_is_cut_and_gone_on_from(tmp_path):
    (tmp_path / "a").write_bytes(b"kept torn")
    disk = Disk()
    descriptor = disk.reopen(tmp_path / "a", 4)
    disk.write(descriptor, b"!")
    disk.close(descriptor)
    assert (tmp_path / "a").read_bytes() == b"kept!"
    disk.remove(tmp_path / "a")
    disk.remove(tmp_path / "a")
    assert list(tmp_path.iterdir()) == []
    assert disk.free_bytes(tmp_path) > 0
