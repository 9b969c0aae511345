"""What run.py installs: the host, unpacked or found, and an environment, kept or repaired, with the packages."""

import io
import json
import sys
import tarfile
from pathlib import Path

import pytest

from guided_gan.launcher import LauncherError, cli, comfyui, environment


class TestUnpacking:
    @staticmethod
    def archive(folder, *members):
        path = folder / "source.tar.gz"
        with tarfile.open(path, "w:gz") as tar:
            for member in members:
                info = tarfile.TarInfo(member) if isinstance(member, str) else member
                info.size = 0 if info.issym() else 4
                tar.addfile(info, io.BytesIO(b"text"))
        return path

    def test_only_the_host_is_unpacked(self, tmp_path):
        names = (
            "d-1/vendor/ComfyUI/main.py",
            "d-1/vendor/ComfyUI/a/b.py",
            "d-1/setup.py",
            "vendor/ComfyUI/x",
            "../../evil",
        )
        target = tmp_path / "in" / "here"
        comfyui.unpack(self.archive(tmp_path, *names), target)
        files = [path for path in tmp_path.rglob("*") if path.suffix != ".gz" and path.is_file()]
        unpacked = sorted(path.relative_to(tmp_path).as_posix() for path in files)
        assert unpacked == ["in/here/a/b.py", "in/here/main.py"]
        assert (target / "main.py").read_bytes() == b"text"

    @pytest.mark.parametrize("name", ["d/{}/../../../evil", "../{}/evil", "/{}/evil", "d/{}/C:/evil", "d/{}/..\\evil"])
    def test_paths_that_lead_out_are_refused(self, tmp_path, name):
        with pytest.raises(LauncherError, match="no plain file below its folder"):
            comfyui.unpack(self.archive(tmp_path, name.format("vendor/ComfyUI")), tmp_path / "in" / "here")
        assert not list(tmp_path.rglob("evil*"))

    def test_links_are_refused(self, tmp_path):
        evil = tarfile.TarInfo("d/vendor/ComfyUI/link")
        evil.type, evil.linkname = tarfile.SYMTYPE, "/etc"
        with pytest.raises(LauncherError, match="no plain file"):
            comfyui.unpack(self.archive(tmp_path, evil), tmp_path / "here")


class TestFindingTheHost:
    def test_the_named_one_comes_first(self, tmp_path):
        (tmp_path / "main.py").touch()
        assert comfyui.find(tmp_path / "custom_nodes" / "pack", {"COMFYUI_PATH": str(tmp_path)}) == tmp_path

    def test_the_one_around_this_folder(self, tmp_path):
        assert comfyui.find(tmp_path / "custom_nodes" / "pack", {}) is None
        (tmp_path / "main.py").touch()
        assert comfyui.find(tmp_path / "custom_nodes" / "pack", {}) == tmp_path
        assert comfyui.find(tmp_path / "elsewhere" / "pack", {}) is None

    def test_a_wrong_name_is_an_error(self, tmp_path):
        with pytest.raises(LauncherError, match=r"no main\.py"):
            comfyui.find(tmp_path, {"COMFYUI_PATH": str(tmp_path)})


class Installer:
    """Fakes an installation of torch and counts how often it was asked for."""

    def __init__(self):
        self.calls = 0

    def __call__(self, folder):
        self.calls += 1
        python = environment.executable(folder)
        python.parent.mkdir(parents=True)
        python.touch()
        major, minor = sys.version_info[:2]
        library = folder / ("Lib" if sys.platform == "win32" else f"lib/python{major}.{minor}") / "site-packages"
        self.torch = library / "torch"
        self.torch.mkdir(parents=True)
        (library / "torch-2.dist-info").mkdir()


class TestEnvironment:
    @pytest.fixture
    def builder(self):
        return Installer()

    def test_a_whole_one_is_reused(self, tmp_path, builder):
        environment.make(tmp_path / "env", builder)
        environment.make(tmp_path / "env", builder)
        assert builder.calls == 1

    def test_fresh_makes_it_anew(self, tmp_path, builder):
        environment.make(tmp_path / "env", builder)
        environment.make(tmp_path / "env", builder, fresh=True)
        assert builder.calls == 2

    def test_an_interrupted_one_is_made_anew(self, tmp_path, builder, capsys):
        def interrupted(folder):
            folder.mkdir()
            (folder / "half").touch()
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            environment.make(tmp_path / "env", interrupted)
        environment.make(tmp_path / "env", builder)
        assert environment.damage(tmp_path / "env") is None
        assert not (tmp_path / "env" / "half").exists()
        assert "an earlier installation did not finish" in capsys.readouterr().err

    def test_a_lost_package_is_noticed_and_repaired(self, tmp_path, builder):
        environment.make(tmp_path / "env", builder)
        builder.torch.rmdir()
        assert environment.damage(tmp_path / "env") == "the old one has lost torch"
        environment.make(tmp_path / "env", builder)
        assert environment.damage(tmp_path / "env") is None

    def test_a_lost_interpreter_is_noticed(self, tmp_path, builder):
        environment.make(tmp_path / "env", builder)
        environment.executable(tmp_path / "env").unlink()
        assert environment.damage(tmp_path / "env") == "the Python that the old one was made from is gone"

    def test_the_key_follows_the_lock_and_the_python(self, monkeypatch):
        key = environment.key(b"torch==2")
        assert environment.key(b"torch==2") == key
        assert environment.key(b"torch==3") != key
        monkeypatch.setattr(environment.sys, "version_info", (3, 99, 0))
        assert environment.key(b"torch==2") != key

    def test_what_many_rows_need_is_added_once_and_again_where_it_is_lost(self, tmp_path, builder, monkeypatch):
        environment.make(tmp_path / "env", builder)
        ray, added = builder.torch.with_name("ray"), []

        def install(_, lock):
            added.append(lock.name)
            ray.mkdir(exist_ok=True)

        monkeypatch.setattr(environment, "install_lock", install)
        environment.add_scale(tmp_path / "env")
        environment.add_scale(tmp_path / "env")
        assert added == ["requirements-scale.lock"]
        assert environment.damage(tmp_path / "env") is None
        ray.rmdir()
        environment.add_scale(tmp_path / "env")
        assert len(added) == 2
        monkeypatch.setattr(environment, "SCALE_LOCK", environment.LOCK)  # another one
        environment.add_scale(tmp_path / "env")
        assert len(added) == 3

    def test_the_users_torch_is_never_asked_for(self, tmp_path, monkeypatch):
        asked = []
        monkeypatch.setattr(
            environment, "installed_versions", lambda _: {"open-clip-torch": "3.0", "torch": "2.5+cu121"}
        )

        def pip(command, **_):
            asked.extend(command[command.index("--constraint") + 2 :])
            asked.append(Path(command[command.index("--constraint") + 1]).read_text())
            return environment.subprocess.CompletedProcess(command, 0)

        monkeypatch.setattr(environment.subprocess, "run", pip)
        environment.complete(
            tmp_path, ["# host", "", "torch", "torchaudio", "numpy>=1.25", "open_clip_torch>=2", "aiohttp>=3"]
        )
        assert asked == ["aiohttp>=3", "open-clip-torch==3.0\ntorch==2.5+cu121\n"]


class TestInstallerOutput:
    def test_pip(self):
        log = "Ignoring tomli: markers 'x' don't match your environment\nCollecting torch==2 (from -r lock (line 3))\n"
        assert environment.read_progress(log, 10, 2) == ("fetching torch", 1, 9)
        assert environment.read_progress(f"{log}Installing collected packages: torch\n", 10, 4) == ("installing", 4, 9)

    def test_uv(self):
        log = "Resolved 8 packages in 2ms\nDownloading torch (500MiB)\nDownloading pillow (6MiB)\n Downloaded pillow\n"
        assert environment.read_progress(log, 10, 2) == ("fetching pillow", 2, 8)
        assert environment.read_progress(f"{log}Prepared 8 packages in 9s\n", 10, 11) == ("installing", 8, 8)

    def test_uv_looks_where_pip_does(self):
        config = (
            ":env:.cert='/c.pem'\nglobal.cert='/old.pem'\n"
            "global.extra-index-url='\\nhttps://a/s\\nhttps://b/s'\nlist.format='json'\n"
        )
        assert environment.uv_settings(config) == {
            "SSL_CERT_FILE": "/c.pem",
            "UV_INDEX": "https://a/s https://b/s",
            "UV_INDEX_STRATEGY": "unsafe-best-match",
        }
        assert environment.uv_settings("") == {}


def test_requirements_mirror_the_project():
    """ComfyUI-Manager reads one file and the registry the other."""
    project = (cli.ROOT / "pyproject.toml").read_text(encoding="utf-8")
    listed = json.loads(project.split("\ndependencies = ")[1].split("\n]")[0].rstrip(",\n") + "]")
    lines = (cli.ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if not line.startswith("#")] == listed
