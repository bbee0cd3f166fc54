"""From a name to local files: an existing folder, a checkpoint shipped inside the package, or the Hugging Face hub.

Only the files this library reads are fetched. Whatever looks like a path is never sent to the network.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, Literal, TypedDict, Unpack, cast

from bartleby.errors import HubError, OptionError, raise_all

ASSETS = Path(__file__).resolve().parent / "assets"
"""Where the embedded checkpoints lie, one folder each."""
EMBEDDED_PREFIX = "bartleby-"

Kind = Literal["safetensors", "bin", "h5", "msgpack"]
Weights = bool | Kind | tuple[Kind, ...]
"""Of several kinds, the first that is there. True: safetensors, or `.bin`; False: no weights at all."""

DESCRIPTION_FILES = (
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "chat_template.jinja",
)
WEIGHT_FILES = {
    "safetensors": ("model*.safetensors", "model.safetensors.index.json"),
    "bin": ("pytorch_model*.bin", "pytorch_model.bin.index.json"),
    "h5": ("tf_model*.h5", "tf_model.h5.index.json"),
    "msgpack": ("flax_model*.msgpack", "flax_model.msgpack.index.json"),
}

UNUSED_KEYWORDS = frozenset(
    {"resume_download", "trust_remote_code", "code_revision", "_from_auto", "_from_pipeline", "_commit_hash"}
)
"""Published keywords that change nothing here: downloads are always resumed, and code of a checkpoint is never run."""

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)?")
_LONGEST_NAME = 96

# By the class of huggingface_hub's error; its more exact classes derive from the others and are found first.
_REFUSALS = {
    "GatedRepoError": "is gated: accept its terms on its hub page, then pass `token` or run `hf auth login`.",
    "RepositoryNotFoundError": "is not on the hub. Check the spelling; if it is private, pass `token`.",
    "RevisionNotFoundError": "has no revision {revision!r}. Check `revision`, or leave it out for the newest.",
    "IncompleteSnapshotError": "is only partly in the cache and the hub was not reached. "
    "Ask again with the network on (and without `local_files_only` and HF_HUB_OFFLINE).",
    "LocalEntryNotFoundError": "is not in the cache and the hub cannot be reached. Check the network or pass a folder.",
    "OfflineModeIsEnabled": "is not in the cache and HF_HUB_OFFLINE is set. Unset it once, or pass a folder.",
    "HFValidationError": "is not a name the hub accepts. Pass `owner/name` or a folder.",
    "HfHubHTTPError": "could not be downloaded, the hub refused. Try again later, or pass a folder.",
    "Exception": "could not be downloaded. Check the network and the free space of the cache, or pass a folder.",
}
_OFFLINE = (
    "is not in the cache, and `local_files_only` or HF_HUB_OFFLINE forbids asking the hub. "
    "Allow it once to download, or pass a folder."
)


def embedded_names() -> tuple[str, ...]:
    """The checkpoints shipped inside the package."""
    return tuple(sorted(folder.parent.name for folder in ASSETS.glob("*/config.json")))


class HubOptions(TypedDict, total=False):
    """How the hub may be asked; every `from_pretrained` takes these keywords."""

    revision: str
    token: str | bool | None
    cache_dir: str | os.PathLike[str] | None
    local_files_only: bool
    force_download: bool
    subfolder: str


def take_hub_options(keywords: dict[str, Any]) -> HubOptions:
    """Remove from a caller's keywords what says how the hub may be asked, in the spelling of any release.

    Raises: OptionError for `proxies` and `mirror`, which the environment says.
    """
    faults = [
        f"`{name}` must be None, but is {value!r}: set {variable} in the environment."
        for name, variable in (("proxies", "HTTPS_PROXY"), ("mirror", "HF_ENDPOINT"))
        if (value := keywords.pop(name, None))
    ]
    raise_all(OptionError, faults, "from_pretrained")
    for name in UNUSED_KEYWORDS & keywords.keys():
        del keywords[name]
    older = keywords.pop("use_auth_token", None)  # the name of `token` before release 4.31
    given = {name: keywords.pop(name, None) for name in HubOptions.__annotations__}
    if given["token"] is None:
        given["token"] = older
    return cast(HubOptions, {name: value for name, value in given.items() if value is not None})


def resolve(
    name_or_path: str | os.PathLike[str],
    *,
    weights: Weights = True,
    variant: str | None = None,
    **options: Unpack[HubOptions],
) -> Path:
    """The folder that holds a checkpoint, downloaded first if it has to be.

    An existing folder wins over an embedded name, and that over a name of the hub. HF_HUB_OFFLINE counts as
    `local_files_only`. `subfolder` is a folder in that folder; of the hub, only `variant` of the weights is fetched.
    Raises: HubError if there is no such folder or name, the folder is that of a run, or the hub refuses or cannot be
        reached.
    """
    source = _Source(os.fspath(name_or_path), **options)
    folder = _local_folder(name_or_path)
    if folder is not None:
        inner = _inner_folder(folder, source.subfolder)
        _refuse_near_misses(inner)
        return inner
    _check_name(source.name)
    source = replace(source, variant=variant)
    if weights is False:
        return source.fetch(DESCRIPTION_FILES)
    asked = ("safetensors", "bin") if weights is True else weights
    kinds: tuple[Kind, ...] = (asked,) if isinstance(asked, str) else asked
    # One kind after another, so that a repository with several is not downloaded several times over.
    found = next((folder for kind in kinds if (folder := _with_weights(source, kind))), None)
    return found or _refuse_weightless(source, kinds)


def _local_folder(name_or_path: str | os.PathLike[str]) -> Path | None:
    if not os.fspath(name_or_path):
        return None  # Path("") would be the current folder
    path = os.path.expanduser(name_or_path)  # os.path, unlike pathlib, raises for no name, however odd
    if os.path.isdir(path):
        return Path(path)
    if os.path.exists(path):
        raise HubError(f"{path!r} is a file, but a checkpoint is a folder. Pass the folder it lies in.")
    if isinstance(name_or_path, str):
        if name_or_path in embedded_names():
            return ASSETS / name_or_path
        if not _looks_like_a_path(name_or_path):
            return None
    raise HubError(
        f"There is no folder {os.fspath(name_or_path)!r}. Pass an existing folder, a hub name like "
        f"'facebook/bart-base', or an embedded checkpoint ({', '.join(embedded_names()) or 'none in this build'})."
    )


def _inner_folder(folder: Path, subfolder: str) -> Path:
    """Raises: HubError if there is no such folder inside."""
    inner = folder / _checked_subfolder(subfolder)
    if not inner.is_dir():
        raise HubError(f"{folder} has no folder {subfolder!r}. Check `subfolder`, or leave it out.")
    return inner


def _refuse_near_misses(folder: Path) -> None:
    """Raises: HubError for what a training left besides checkpoints: the folder of a run, adapters alone."""
    if (folder / "config.json").exists():
        return
    if (folder / "adapter_config.json").is_file():
        raise HubError(
            f"{folder} holds adapters, which are nothing without the model they were made for. Pass {folder.parent}, "
            "where they are merged, if a run left them; in Python, `load_adapter(model, folder)` of "
            "`bartleby.training.adapter_files` adds them to a model."
        )
    if (folder / "checkpoints").is_dir():
        found = _best_of_run(folder)
        remedy = f"Pass its best checkpoint: {found}" if found else "It has no checkpoint yet; train it first."
        raise HubError(f"{folder} is the folder of a run, not a checkpoint. {remedy}")


def _best_of_run(folder: Path) -> Path | None:
    """The checkpoint that best.json names, or else the newest; None if there is none."""
    found = sorted((folder / "checkpoints").glob("step-*"))
    try:
        step = json.loads((folder / "best.json").read_text("utf-8"))["step"]
        best = folder / "checkpoints" / f"step-{step:08d}"
    except (OSError, ValueError, KeyError, TypeError):
        return found[-1] if found else None
    return best if best in found else found[-1] if found else None


def _checked_subfolder(subfolder: str) -> str:
    """Raises: HubError if it leads out of the folder it should be in."""
    path = PurePosixPath(subfolder)
    if path.is_absolute() or ".." in path.parts or set(subfolder) & set("\\:\0*?["):
        raise HubError(f"`subfolder` must be a folder inside the checkpoint, but is {subfolder!r}.")
    return str(path) if path.parts else ""


def _looks_like_a_path(text: str) -> bool:
    return text.startswith((".", "/", "~")) or text.endswith("/") or text.count("/") > 1 or "\\" in text or ":" in text


def _check_name(name: str) -> None:
    if name.startswith(EMBEDDED_PREFIX) and "/" not in name:  # what is called like ours is never taken from others
        known = ", ".join(embedded_names()) or "none at all"
        raise HubError(
            f"There is no embedded checkpoint {name!r} in this version ({known}). "
            "Pass one that is there, a folder, or a hub name with its owner."
        )
    if len(name) > _LONGEST_NAME or ".." in name or "--" in name or not _NAME.fullmatch(name):
        raise HubError(
            f"{name!r} is neither an existing folder nor a hub name. A hub name is `name` or `owner/name`: letters, "
            f"digits, `-`, `_` and `.` (no `--` or `..`), at most {_LONGEST_NAME} characters."
        )


@dataclass(frozen=True)
class _Source:
    """One revision of one repository of the hub, and how it may be reached."""

    name: str
    revision: str = "main"
    token: str | bool | None = None
    cache_dir: str | os.PathLike[str] | None = None
    local_files_only: bool = False
    force_download: bool = False
    subfolder: str = ""
    variant: str | None = None

    @property
    def offline(self) -> bool:
        """Read at every call: huggingface_hub looks at the variable only once, when it is imported."""
        return self.local_files_only or os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}

    def fetch(self, patterns: tuple[str, ...]) -> Path:
        """The local snapshot's folder with every file of the repository's that matches."""
        from huggingface_hub import snapshot_download  # takes 0.3 s to import

        inner = _checked_subfolder(self.subfolder)

        try:
            folder = snapshot_download(
                self.name,
                revision=self.revision,
                token=self.token,
                cache_dir=Path(self.cache_dir).expanduser() if self.cache_dir is not None else None,
                local_files_only=self.offline,
                force_download=self.force_download,
                allow_patterns=[f"{inner}/{pattern}" if inner else pattern for pattern in patterns],
            )
        except Exception as error:  # the transport's own errors share no base with the hub's
            raise HubError(f"{self.name!r} {self._reason(error)} ({type(error).__name__}: {error})") from error
        return Path(folder) / inner

    def _reason(self, error: Exception) -> str:
        names = [kind.__name__ for kind in type(error).__mro__]
        known = next(name for name in names if name in _REFUSALS)
        if known == "LocalEntryNotFoundError" and self.offline:
            return _OFFLINE
        return _REFUSALS[known].format(revision=self.revision)


def _with_weights(source: _Source, kind: str) -> Path | None:
    files, index = WEIGHT_FILES[kind]
    if source.variant is not None:
        files, index = files.replace("*", f".{source.variant}*"), index.replace(".json", f".{source.variant}.json")
    folder = source.fetch((*DESCRIPTION_FILES, files, index))
    missing = _missing_shards(folder / index)
    if missing:  # older releases of huggingface_hub hand out an interrupted download as if it were whole
        raise HubError(f"{source.name!r} {_REFUSALS['IncompleteSnapshotError']} Missing: {', '.join(missing)}.")
    return folder if any(folder.glob(files)) else None


def _missing_shards(index: Path) -> list[str]:
    if not index.is_file():
        return []
    try:
        shards = map(str, json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return [f"the end of {index.name}"]
    return sorted(shard for shard in set(shards) if not (index.parent / shard).is_file())


def _refuse_weightless(source: _Source, kinds: tuple[str, ...]) -> Path:
    place = "in the cache (allow the network once: the hub may have them)" if source.offline else "on the hub"
    others = " or ".join(f"weights={kind!r}" for kind in ("h5", "msgpack") if kind not in kinds)
    remedy = f"If it has another kind, ask with {others}." if others else "Check the name and `revision`."
    raise HubError(f"{source.name!r} has no {' or '.join(kinds)} weights {place}. {remedy}")
