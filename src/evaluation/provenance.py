"""How the parameters were made, from the metadata beside their file: in one line for people, in full for report.json."""

from __future__ import annotations

from typing import Any

from engine.checkpoint import read_metadata

MAX_PHASES = 10  # that are followed back from the parameters
# What is taken from the metadata: where it is, and of what type. Anybody can edit the file, so anything else is ignored.
FIELDS: dict[str, tuple[tuple[str, ...], type | tuple[type, ...]]] = {
    "function": (("function",), str),
    "variant": (("variant",), str),
    "recipe": (("flags", "recipe"), str),
    "seed": (("seed",), int),
    "epochs": (("recipe", "epochs"), int),
    "batch_size": (("recipe", "batch_size"), int),
    "learning_rate": (("recipe", "lr"), (int, float)),
    "steps": (("steps",), int),
    "tokens": (("tokens",), int),
    "seconds": (("seconds",), (int, float)),
    "loss": (("loss",), (int, float)),
    "device": (("device",), str),
    "machine": (("machine",), str),
    "processes": (("processes",), int),
    "dtype": (("dtype",), str),
    "commit": (("versions", "commit"), str),
    "torch": (("versions", "torch"), str),
    "python": (("versions", "python"), str),
}
ACTIVITIES = {"pretrain": "pretraining", "finetune": "finetuning"}


def training_phases(params_path: str) -> list[dict[str, Any]]:
    """The training runs that led to these parameters, the first one first, as far as their files are still where they
    were; empty when nothing is known."""
    phases: list[dict[str, Any]] = []
    path: object = params_path
    expected = None  # the digest of the parameters that the run after this one started from
    while isinstance(path, str) and len(phases) < MAX_PHASES:
        metadata = read_metadata(path)
        if metadata is None or expected not in (None, metadata["params"]):
            break
        phases.insert(0, {name: value for name in FIELDS if (value := field_of(metadata, name)) is not None})
        expected = metadata.get("parent")
        flags = metadata.get("flags")
        path = flags.get("reading_params_path") if expected and isinstance(flags, dict) else None
    return phases


def field_of(metadata: dict[str, Any], name: str) -> Any:
    """One of FIELDS; None when the metadata lacks it, or has something of another type there, or
    a number that cannot be."""
    found: Any = metadata
    keys, kind = FIELDS[name]
    for key in keys:
        found = found.get(key) if isinstance(found, dict) else None
    if isinstance(found, (int, float)) and not (0 <= found < 10**15) or isinstance(found, bool):
        return None
    return found if isinstance(found, kind) else None


def provenance_line(phases: list[dict[str, Any]]) -> str:
    """For example "recipe fast, seed 0 · 24 epochs of pretraining, 2 of finetuning · 6.6 million tokens in 9 minutes on
    cpu · final loss 0.61 · commit 628a728"; empty when nothing is known."""

    def each(name: str) -> str:
        return " then ".join(dict.fromkeys(str(phase[name]) for phase in phases if name in phase))

    parts = [", ".join(f"{name} {each(name)}" for name in ("recipe", "seed") if each(name))]
    epochs = [
        f"{p['epochs']} epochs of {ACTIVITIES.get(p.get('function'), 'training')}" for p in phases if "epochs" in p
    ]
    parts.append(", ".join([*epochs[:1], *(text.replace(" epochs", "") for text in epochs[1:])]))
    tokens, seconds = (sum(phase.get(name, 0) for phase in phases) for name in ("tokens", "seconds"))
    effort = [f"{tokens / 1e6:.1f} million tokens"] if tokens else []
    effort += [f"in {duration(seconds)}"] if seconds else []
    effort += [f"on {each('machine') or each('device')}"] if each("machine") or each("device") else []
    parts.append(" ".join(effort))
    losses = [phase["loss"] for phase in phases if "loss" in phase]
    parts += [f"final loss {losses[-1]:.2f}"] if losses else []
    commits = dict.fromkeys(p["commit"][:7] + p["commit"][40:] for p in phases if "commit" in p)  # with "-dirty"
    parts += [f"commit {' then '.join(commits)}"] if commits else []
    return " · ".join(filter(None, parts))


def phase_table(phases: list[dict[str, Any]]) -> tuple[list[str], list[list[str]]]:
    """All that is known of the phases, a column for each: the header, and the rows."""

    def text(value: object) -> str:
        return f"{value:,}" if isinstance(value, int) else f"{value:.5g}" if isinstance(value, float) else str(value)

    names = [name for name in FIELDS if name != "function" and any(name in phase for phase in phases)]
    header = ["", *(ACTIVITIES.get(phase.get("function"), "training") for phase in phases)]
    return header, [[name.replace("_", " "), *(text(phase.get(name, "-")) for phase in phases)] for name in names]


def duration(seconds: float) -> str:
    """130 -> "2 minutes", 10,000 -> "2 h 47 min"."""
    minutes = round(seconds / 60)
    if minutes < 1:
        return f"{seconds:.0f} seconds"
    return f"{minutes} minute{'s' * (minutes > 1)}" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"
