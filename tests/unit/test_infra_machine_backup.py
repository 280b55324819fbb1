"""Backups of one machine's storage, by the scripts themselves and a real Azurite that they stop and start."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from core.bootstrap import Storage, azure_storage
from core.errors import RowNotFound
from core.jobs.messages import CPU_REQUESTS
from core.ports import Insert
from core.settings import Settings
from local.azurite import ACCOUNT, ACCOUNT_KEY, free_ports

PROJECT = Path(__file__).resolve().parents[2]
MACHINE = PROJECT / "infra" / "machine"


class Machine:
    """Azurite with its data on disk, started by the command of its unit, and the scripts beside it."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "storage"
        self.data.mkdir()
        self.pid_file = folder / "pid"
        ports = dict(zip(("blob", "queue", "table"), free_ports(3), strict=True))
        unit = (MACHINE / "stemworks-storage.service").read_text().replace("\\\n", " ")
        found = re.search(r"^ExecStart=/usr/bin/node /opt/stemworks/(\S+) (.*)$", unit, re.MULTILINE)
        assert found
        options = found[2].replace("/var/lib/stemworks/storage", str(self.data))
        for service, port in ports.items():
            options = re.sub(rf"--{service}Port \d+", f"--{service}Port {port}", options)
        run, wait = PROJECT / found[1], MACHINE / "wait-for-storage.sh"
        background = f"node {run} {options} >/dev/null 2>&1 & echo $! >{self.pid_file}"
        self.start_command = f"{background}; sh {wait} {' '.join(map(str, ports.values()))}"
        self.stop_command = (
            f"kill -TERM $(cat {self.pid_file}); while kill -0 $(cat {self.pid_file}); do sleep 0.05; done"
        )
        endpoints = "".join(
            f"{name.title()}Endpoint=http://127.0.0.1:{port}/{ACCOUNT};" for name, port in ports.items()
        )
        connection = f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={ACCOUNT_KEY};{endpoints}"
        self.settings = Settings.read({"AzureWebJobsStorage": connection})

    @property
    def storage(self) -> Storage:
        return azure_storage(self.settings)

    def run(self, script: str, *arguments: Path, **settings: str) -> subprocess.CompletedProcess[str]:
        commands = {"STEMWORKS_STOP": self.stop_command, "STEMWORKS_START": self.start_command}
        environment = {**os.environ, **commands, **settings}
        return subprocess.run(
            ["sh", MACHINE / script, *arguments], env=environment, capture_output=True, text=True, timeout=60
        )

    def backup(self, backups: Path, **settings: str) -> Path:
        done = self.run("backup.sh", self.data, backups, **settings)
        assert done.returncode == 0, done.stderr
        return Path(done.stdout.splitlines()[-1])

    def start(self) -> None:
        subprocess.run(["sh", "-c", self.start_command], check=True, timeout=60)

    def kill(self) -> None:
        if self.pid_file.exists():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(self.pid_file.read_text()), signal.SIGKILL)

    def is_running(self) -> bool:
        return subprocess.run(["kill", "-0", self.pid_file.read_text().strip()], capture_output=True).returncode == 0


@pytest.fixture(autouse=True)
def nothing_of_an_earlier_restore(machine: Machine) -> None:
    shutil.rmtree(machine.data.parent / "storage.before-restore", ignore_errors=True)


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    machine = Machine(tmp_path_factory.mktemp("machine"))
    machine.start()
    try:
        machine.storage.ensure()
        yield machine
    finally:
        machine.kill()


def write(storage: Storage, name: str, content: bytes) -> None:
    storage.blobs.write(
        "audio-files", name, lambda: iter((content,)), size_bytes=len(content), content_type="audio/wav", metadata={}
    )


def read(storage: Storage, name: str) -> bytes:
    return b"".join(storage.blobs.read("audio-files", name))


def test_what_was_there_at_the_backup_is_there_after_the_restore_and_nothing_else(
    machine: Machine, tmp_path: Path
) -> None:
    song = os.urandom(9 * 2**20)  # more than one block
    storage = machine.storage
    storage.tables["jobs"].commit("p", Insert("job:1", '{"status": "completed"}'))
    storage.queues.send(CPU_REQUESTS, '{"job_id": "2"}')
    write(storage, "a/song.wav", song)
    link = storage.blobs.signed_url(
        "audio-files", "a/song.wav", expires_at=datetime.now(UTC) + timedelta(minutes=5), filename="song.wav"
    )

    archive = machine.backup(tmp_path)

    assert machine.is_running()
    storage.tables["jobs"].commit("p", Insert("job:3", "{}"))
    write(storage, "a/song.wav", b"written over")
    shutil.rmtree(machine.data / "__blobstorage__")  # a disk that forgets
    restored = machine.run("restore.sh", archive, machine.data)
    assert restored.returncode == 0, restored.stderr

    storage = machine.storage
    assert storage.tables["jobs"].get("p", "job:1").document == '{"status": "completed"}'
    with pytest.raises(RowNotFound):
        storage.tables["jobs"].get("p", "job:3")
    assert read(storage, "a/song.wav") == song
    assert httpx.get(link).content == song
    assert storage.queues.count(CPU_REQUESTS) == 1
    assert (machine.data.parent / "storage.before-restore").is_dir()


def test_an_archive_that_was_damaged_is_not_restored_and_storage_stays_up(machine: Machine, tmp_path: Path) -> None:
    write(machine.storage, "a/song.wav", b"music")
    archive = machine.backup(tmp_path)
    content = bytearray(archive.read_bytes())
    content[len(content) // 2] ^= 1
    archive.write_bytes(content)
    assert machine.run("restore.sh", archive, machine.data).returncode != 0
    assert machine.is_running()
    assert read(machine.storage, "a/song.wav") == b"music"


def test_a_backup_that_fails_leaves_storage_up_and_no_half_archive(machine: Machine, tmp_path: Path) -> None:
    broken = tmp_path / "bin" / "tar"
    broken.parent.mkdir()
    broken.write_text("#!/bin/sh\nexit 2\n")
    broken.chmod(0o755)
    path = f"{broken.parent}:{os.environ['PATH']}"
    done = machine.run("backup.sh", machine.data, tmp_path / "backups", PATH=path)
    assert done.returncode != 0
    assert machine.is_running()
    assert list((tmp_path / "backups").iterdir()) == []
    assert not (machine.data.parent / "storage.snapshot").exists()


def test_only_the_newest_archives_are_kept_each_with_its_checksum(machine: Machine, tmp_path: Path) -> None:
    for day in (1, 2, 3):
        for suffix in ("tar", "tar.sha256"):
            (tmp_path / f"stemworks-2026010{day}T033000Z.{suffix}").touch()
    (tmp_path / "notes.txt").touch()
    newest = machine.backup(tmp_path, STEMWORKS_KEEP="2")
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "notes.txt", "stemworks-20260103T033000Z.tar", "stemworks-20260103T033000Z.tar.sha256",
        newest.name, f"{newest.name}.sha256",
    ]  # fmt: skip


def test_a_folder_that_is_not_azurites_is_refused_before_anything_is_stopped(machine: Machine, tmp_path: Path) -> None:
    other = tmp_path / "music"
    other.mkdir()
    done = machine.run("backup.sh", other, tmp_path)
    assert done.returncode != 0 and "not a folder of Azurite's" in done.stderr
    assert machine.is_running()


def test_only_one_backup_or_restore_works_at_a_time(machine: Machine, tmp_path: Path) -> None:
    archive = machine.backup(tmp_path)
    with (machine.data.parent / "storage.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for done in (
            machine.run("backup.sh", machine.data, tmp_path / "other"),
            machine.run("restore.sh", archive, machine.data),
        ):
            assert done.returncode != 0 and "is at work" in done.stderr
    assert machine.is_running()
    assert not (machine.data.parent / "storage.snapshot").exists()


def test_a_storage_that_is_reached_by_a_link_is_copied_and_restored_where_it_lies(
    machine: Machine, tmp_path: Path
) -> None:
    link = tmp_path / "storage by a link"
    link.symlink_to(machine.data)
    copied = machine.run("backup.sh", link, tmp_path / "backups")
    assert copied.returncode == 0, copied.stderr
    restored = machine.run("restore.sh", Path(copied.stdout.strip()), link)
    assert restored.returncode == 0, restored.stderr
    assert link.is_symlink() and (link / "__azurite_db_table__.json").exists()
    assert (machine.data.parent / "storage.before-restore").is_dir()


def test_a_restore_that_fails_half_way_leaves_what_was_there_and_storage_up(machine: Machine, tmp_path: Path) -> None:
    write(machine.storage, "a/song.wav", b"music")
    archive = machine.backup(tmp_path / "backups")
    broken = tmp_path / "bin" / "mv"
    broken.parent.mkdir()
    broken.write_text(f'#!/bin/sh\ncase $1 in *.restoring) exit 1 ;; esac\nexec {shutil.which("mv")} "$@"\n')
    broken.chmod(0o755)
    done = machine.run("restore.sh", archive, machine.data, PATH=f"{broken.parent}:{os.environ['PATH']}")
    assert done.returncode != 0
    assert machine.is_running()
    assert read(machine.storage, "a/song.wav") == b"music"
    assert sorted(path.name for path in machine.data.parent.glob("storage*")) == ["storage", "storage.lock"]


@pytest.mark.parametrize("keep", ["0", "-1", "all"])
def test_a_backup_that_would_keep_nothing_is_refused(machine: Machine, tmp_path: Path, keep: str) -> None:
    older = tmp_path / "stemworks-20260101T033000Z.tar"
    older.touch()
    done = machine.run("backup.sh", machine.data, tmp_path, STEMWORKS_KEEP=keep)
    assert done.returncode != 0 and "STEMWORKS_KEEP" in done.stderr
    assert older.exists() and machine.is_running()


def test_backups_do_not_go_into_what_is_backed_up(machine: Machine) -> None:
    done = machine.run("backup.sh", machine.data, machine.data / "backups")
    (machine.data / "backups").rmdir()
    assert done.returncode != 0 and "inside" in done.stderr
    assert machine.is_running()


def test_an_archive_is_nobody_elses_to_read_and_none_that_broke_off_stays(machine: Machine, tmp_path: Path) -> None:
    (tmp_path / "stemworks-20260101T033000Z.tar.partial").touch()  # the power went
    archive = machine.backup(tmp_path)
    assert archive.stat().st_mode & 0o077 == 0
    assert not list(tmp_path.glob("*.partial"))
