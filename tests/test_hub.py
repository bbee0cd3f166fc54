"""Names become local folders or a refusal that says what to do; nothing here touches the network."""

from __future__ import annotations

import json
from pathlib import Path

import huggingface_hub
import pytest
from huggingface_hub import errors

from bartleby import hub
from bartleby.errors import HubError, OptionError
from bartleby.hub import embedded_names, resolve


class TransportError(Exception):
    """Stands for httpx's errors, which derive from nothing of the hub's."""


COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(autouse=True)
def online(monkeypatch):
    """As if the network were there: what would reach for it is replaced."""
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)


@pytest.fixture
def no_hub(monkeypatch):
    """Asking the hub for anything fails the test."""

    def asked(name, **_):
        raise AssertionError(f"the hub was asked for {name!r}")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", asked)


@pytest.fixture
def assets(monkeypatch, tmp_path):
    folder = tmp_path / "assets"
    (folder / "tiny-chat").mkdir(parents=True)
    (folder / "tiny-chat" / "config.json").write_text("{}")
    (folder / "notes").mkdir()
    monkeypatch.setattr(hub, "ASSETS", folder)
    return folder


def cached(cache: Path, name: str, *files: str) -> Path:
    """A repository as huggingface_hub keeps it in its cache."""
    repository = cache / f"models--{name.replace('/', '--')}"
    snapshot = repository / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(COMMIT)
    for file in files:
        (snapshot / file).write_text("{}")
    return snapshot


def fake_repository(monkeypatch, folder: Path, files: list[str]) -> list[str]:
    """Replaces the download by one that 'fetches' the matching `files`; returns what was fetched so far."""
    fetched: list[str] = []

    def download(name, *, allow_patterns, **_):
        for file in files:
            if any(Path(file).match(pattern) for pattern in allow_patterns) and file not in fetched:
                fetched.append(file)
                (folder / file).write_text("{}")
        return str(folder)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    return fetched


def failing(monkeypatch, error: Exception) -> None:
    def download(name, **_):
        raise error

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)


def refused_by_server(kind: type[Exception], status: int) -> Exception:
    error = kind.__new__(kind)  # built by hand: constructors differ between releases of the library
    Exception.__init__(error, f"{status} from the hub")
    return error


def test_an_existing_folder_is_taken_as_it_is(no_hub, tmp_path):
    assert resolve(tmp_path) == tmp_path
    assert resolve(str(tmp_path), weights=False) == tmp_path


def test_a_folder_wins_over_a_hub_name_and_an_embedded_name(no_hub, assets, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("facebook/bart-base", "tiny-chat"):
        Path(name).mkdir(parents=True)
        assert resolve(name) == Path(name)


def test_embedded_checkpoints_are_folders_with_a_config(no_hub, assets):
    assert embedded_names() == ("tiny-chat",)
    assert resolve("tiny-chat") == assets / "tiny-chat"


def test_a_name_like_ours_is_never_taken_from_the_hub(no_hub, assets):
    with pytest.raises(HubError, match=r"no embedded checkpoint 'bartleby-huge' in this version \(tiny-chat\)"):
        resolve("bartleby-huge")


@pytest.mark.parametrize(
    "text", ["./x", "../x", "/no/such", "~/no-such-folder", "~nobody-at-all/x", "a/b/c", "a/b/", "a\\b", "C:x"]
)
def test_what_looks_like_a_path_never_reaches_the_hub(no_hub, monkeypatch, tmp_path, text):
    inner = tmp_path / "inner"
    inner.mkdir()
    monkeypatch.chdir(inner)  # where the checkout lies there may be a ../x
    with pytest.raises(HubError, match="There is no folder"):
        resolve(text)


def test_a_path_object_is_always_a_path(no_hub):
    with pytest.raises(HubError, match="There is no folder 'facebook/bart-base'"):
        resolve(Path("facebook/bart-base"))


def test_a_file_is_not_a_checkpoint_folder(no_hub, tmp_path):
    file = tmp_path / "config.json"
    file.write_text("{}")
    with pytest.raises(HubError, match="is a file, but a checkpoint is a folder"):
        resolve(file)


@pytest.mark.parametrize(
    "name", ["", "a b", "a--b", "a..b/c", "-x", "owner/", "x" * 97, "x" * 5000, "a\0b", "naïve/model", "a/b\n"]
)
def test_names_the_hub_cannot_have_are_refused_here(no_hub, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(HubError):
        resolve(name)


def test_bin_is_fetched_only_where_there_are_no_safetensors(monkeypatch, tmp_path):
    both = ["config.json", "model.safetensors", "pytorch_model.bin", "tf_model.h5", "README.md"]
    fetched = fake_repository(monkeypatch, tmp_path, both)
    assert resolve("someone/model") == tmp_path
    assert fetched == ["config.json", "model.safetensors"]


def test_bin_is_the_second_choice(monkeypatch, tmp_path):
    fetched = fake_repository(monkeypatch, tmp_path, ["config.json", "pytorch_model.bin", "flax_model.msgpack"])
    resolve("someone/model")
    assert fetched == ["config.json", "pytorch_model.bin"]


@pytest.mark.parametrize(("kind", "file"), [("h5", "tf_model.h5"), ("msgpack", "flax_model.msgpack")])
def test_other_containers_come_when_asked_for(monkeypatch, tmp_path, kind, file):
    fetched = fake_repository(monkeypatch, tmp_path, ["config.json", "model.safetensors", file])
    resolve("someone/model", weights=kind)
    assert fetched == ["config.json", file]


def test_a_description_needs_no_weights(monkeypatch, tmp_path):
    fetched = fake_repository(monkeypatch, tmp_path, ["config.json", "vocab.json", "merges.txt", "model.safetensors"])
    resolve("someone/model", weights=False)
    assert fetched == ["config.json", "vocab.json", "merges.txt"]


def test_a_repository_without_weights_we_read_is_refused(monkeypatch, tmp_path):
    fake_repository(monkeypatch, tmp_path, ["config.json", "tf_model.h5"])
    with pytest.raises(HubError, match=r"no safetensors or bin weights on the hub.*weights='h5'"):
        resolve("someone/model")


@pytest.mark.parametrize(
    "index",
    [
        '{"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}',
        '{"wei',
        "[]",
        '{"weight_map": {"a": []}}',
    ],
)
def test_missing_shards_are_a_partial_download(monkeypatch, tmp_path, index):
    (tmp_path / "model.safetensors.index.json").write_text(index)
    (tmp_path / "model-1.safetensors").touch()
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda name, **_: str(tmp_path))
    with pytest.raises(HubError, match="only partly in the cache"):
        resolve("someone/model")


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (refused_by_server(errors.GatedRepoError, 403), "accept its terms"),
        (refused_by_server(errors.RepositoryNotFoundError, 404), "Check the spelling"),
        (refused_by_server(errors.RevisionNotFoundError, 404), "no revision 'main'"),
        (refused_by_server(errors.HfHubHTTPError, 500), "Try again later"),
        (errors.LocalEntryNotFoundError("nothing cached"), "Check the network"),
        (errors.OfflineModeIsEnabled("offline"), "HF_HUB_OFFLINE is set"),
        (errors.HFValidationError("bad name"), "Pass `owner/name`"),
        (TransportError("no route"), "Check the network"),
        (OSError(28, "No space left on device"), "free space"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_every_failure_of_the_hub_says_what_to_do(monkeypatch, error, advice):
    failing(monkeypatch, error)
    with pytest.raises(HubError, match=advice) as refusal:
        resolve("someone/model")
    assert "'someone/model'" in str(refusal.value)
    assert refusal.value.__cause__ is error


def test_arguments_reach_the_hub(monkeypatch, tmp_path):
    seen = {}

    def download(name, **options):
        seen.update(options, name=name)
        return str(tmp_path)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    resolve("m", revision="v2", token="secret", cache_dir=tmp_path, force_download=True, weights=False)
    assert (seen["name"], seen["revision"], seen["token"], seen["cache_dir"]) == ("m", "v2", "secret", tmp_path)
    assert seen["force_download"] is True
    assert seen["local_files_only"] is False


def test_the_offline_variable_counts_as_local_files_only(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")  # set after huggingface_hub was imported, which reads it only once
    snapshot = cached(tmp_path, "someone/model", "config.json")
    assert resolve("someone/model", cache_dir=tmp_path, weights=False) == snapshot
    with pytest.raises(HubError, match="forbids asking the hub"):
        resolve("someone/other", cache_dir=tmp_path)


def test_a_cached_checkpoint_opens_offline(tmp_path):
    snapshot = cached(tmp_path, "someone/model", "config.json", "pytorch_model.bin")
    assert resolve("someone/model", cache_dir=tmp_path, local_files_only=True) == snapshot


def test_a_cached_description_without_weights_says_to_connect_once(tmp_path):
    cached(tmp_path, "someone/model", "config.json")
    with pytest.raises(HubError, match=r"in the cache \(allow the network once"):
        resolve("someone/model", cache_dir=tmp_path, local_files_only=True)


def test_an_interrupted_download_is_noticed_offline(tmp_path):
    snapshot = cached(tmp_path, "someone/model", "config.json", "model-1.safetensors")
    index = {"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}
    (snapshot / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(HubError, match=r"only partly in the cache.*model-2\.safetensors"):
        resolve("someone/model", cache_dir=tmp_path, local_files_only=True)


def test_a_folder_in_the_folder_is_taken(no_hub, tmp_path):
    (tmp_path / "step" / "10").mkdir(parents=True)
    assert resolve(tmp_path, subfolder="step/10") == tmp_path / "step" / "10"
    assert resolve(tmp_path, subfolder="") == tmp_path
    with pytest.raises(HubError, match=r"has no folder 'step/11'\. Check `subfolder`"):
        resolve(tmp_path, subfolder="step/11")


@pytest.mark.parametrize("subfolder", ["..", "a/../..", "/etc", "a\\b"])
def test_a_subfolder_stays_inside(no_hub, monkeypatch, tmp_path, subfolder):
    with pytest.raises(HubError, match="must be a folder inside the checkpoint"):
        resolve(tmp_path, subfolder=subfolder)
    with pytest.raises(HubError, match="must be a folder inside the checkpoint"):
        resolve("someone/model", subfolder=subfolder)


def test_of_the_hub_only_the_subfolder_and_the_variant_are_fetched(monkeypatch, tmp_path):
    (tmp_path / "step").mkdir()
    files = ["config.json", "step/config.json", "step/model.safetensors", "step/model.fp16.safetensors"]
    fetched = fake_repository(monkeypatch, tmp_path, files)
    assert resolve("someone/model", subfolder="step", variant="fp16") == tmp_path / "step"
    assert fetched == ["step/config.json", "step/model.fp16.safetensors"]


def test_keywords_of_the_hub_are_taken_in_the_spelling_of_any_release():
    keywords = {"use_auth_token": "secret", "resume_download": True, "trust_remote_code": True, "revision": "v2",
                "cache_dir": None, "proxies": None, "num_labels": 3}  # fmt: skip
    assert hub.take_hub_options(keywords) == {"token": "secret", "revision": "v2"}
    assert keywords == {"num_labels": 3}
    with pytest.raises(OptionError, match=r"`proxies` must be None, but is .*: set HTTPS_PROXY"):
        hub.take_hub_options({"proxies": {"http": "foo.bar:3128"}})


def test_the_folder_of_a_run_is_refused_with_its_best_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    with pytest.raises(HubError, match=r"is the folder of a run, not a checkpoint\. It has no checkpoint yet"):
        resolve(tmp_path)
    for step in (2, 4):
        (tmp_path / "checkpoints" / f"step-{step:08d}").mkdir()
    with pytest.raises(HubError, match=r"Pass its best checkpoint: .*/checkpoints/step-00000004$"):
        resolve(str(tmp_path), weights=False)
    (tmp_path / "best.json").write_text('{"step": 2}')
    with pytest.raises(HubError, match=r"/checkpoints/step-00000002$"):
        resolve(tmp_path)
    (tmp_path / "best.json").write_text('{"step": 1}')  # which is gone
    with pytest.raises(HubError, match=r"/checkpoints/step-00000004$"):
        resolve(tmp_path)
    assert resolve(tmp_path, subfolder="checkpoints/step-00000002").name == "step-00000002"
    (tmp_path / "config.json").touch()
    assert resolve(tmp_path) == tmp_path


def test_adapters_alone_are_refused_with_how_to_use_them(tmp_path: Path) -> None:
    folder = tmp_path / "adapter"
    folder.mkdir()
    (folder / "adapter_config.json").touch()
    with pytest.raises(
        HubError, match=r"holds adapters.* Pass .*, where they are merged.*`load_adapter\(model, folder\)`"
    ):
        resolve(folder)
