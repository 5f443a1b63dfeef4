"""Memory per item: in Redis while it waits and as a kept result, and in the API while it is accepted.

100,000 items with a title are accepted while no worker is there; then smaller jobs are classified, because a stand-in's
results, all alike, would pack too well. Run it as

    .venv/bin/python -m benchmarks.memory --pictures FOLDER --titles CSV
"""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks import pictures
from benchmarks.harness import Options, Result, Table
from benchmarks.system import System, resident_bytes, titles
from shared.ledger.scripts import job_key

_QUEUED, _KEPT, _API_MB = 400, 250, 200
_TAKEN = 100_000
_STEP = 2_654_435_761
"""A prime: its multiples are ids that look as random as a shop's, and no two are equal."""


def identified(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """With ids of ten digits, as the challenge's products have."""
    return [{**item, "id": f"{number * _STEP % 10**10:010}"} for number, item in enumerate(items, 1)]


def bytes_per_item(system: System, job: str) -> float:
    """Bytes in Redis under the job's keys."""
    keys = system.redis.scan_iter(f"{job_key(job)}*", count=1000)
    total = sum(system.redis.memory_usage(key, samples=0) or 0 for key in keys)
    return total / system.ledger.job(job).total


def take_many(system: System, items: list[dict[str, Any]]) -> tuple[float, int, int]:
    """Bytes per queued item, and of the API: before it accepts them, and at most."""
    api = system.process("api")
    before = resident_bytes(api)
    job = system.submit(items)
    queued = bytes_per_item(system, job)
    system.catalog.cancel(job)
    return queued, before, resident_bytes(api, "VmHWM")


def main() -> None:
    parser = Options("memory", __doc__)
    pictures.add_options(parser)
    parser.add_amount("items", 50_000, 5_000, "to be classified")
    parser.add_amount("shown", 512, 64, "with a picture too")
    chosen = parser.chosen()
    count, shown = chosen.items, chosen.shown

    texts, source = titles(chosen, _TAKEN)
    sample = pictures.load(chosen, shown)
    kinds = {
        "title": identified(texts)[:count],
        "title and picture": identified([_without_description(product) for product in sample.products]),
    }
    with TemporaryDirectory() as folder, System(Path(folder), 0) as system:
        queued_of_many, before, most = take_many(system, identified(texts))
        jobs = {kind: system.submit(items) for kind, items in kinds.items()}
        queued = {kind: bytes_per_item(system, job) for kind, job in jobs.items()}
        system.grow(1)
        for job in jobs.values():
            system.work(job)
        kept = {kind: bytes_per_item(system, job) for kind, job in jobs.items()}
    queued_most, kept_most = max(queued_of_many, *queued.values()), max(kept.values())
    rows = [
        ("title", f"{_TAKEN:,}", round(queued_of_many), ""),
        *((kind, f"{len(kinds[kind]):,}", round(queued[kind]), round(kept[kind])) for kind in kinds),
    ]
    Result(
        name="memory",
        title="Memory per item",
        target=f"Redis under {_QUEUED} bytes queued and {_KEPT} as a kept result; "
        f"API under {_API_MB} MB while taking {_TAKEN:,} items",
        outcome=f"{queued_most:.0f} bytes queued, {kept_most:.0f} kept; API {most / 1e6:.0f} MB",
        reached=queued_most < _QUEUED and kept_most < _KEPT and most < _API_MB * 1e6,
        tables=[
            Table(("items with", "items", "Redis, queued, bytes per item", "Redis, result, bytes per item"), rows),
            Table(("API", "resident, MB"), [("before", round(before / 1e6)), ("maximum", round(most / 1e6))]),
        ],
        notes=[source, sample.description, "pictures are in the blob store; Redis holds only their sha256"],
        command=f"python -m benchmarks.memory{pictures.as_typed(chosen)} --items {count} --shown {shown}",
    ).save(chosen.output)
    print(f"Redis: {queued_most:.0f} bytes queued, {kept_most:.0f} kept; API at most {most / 1e6:.0f} MB")


def _without_description(product: pictures.Product) -> dict[str, Any]:
    item = pictures.as_item(product)
    return {"title": item["title"], "image": item["image"]}


if __name__ == "__main__":
    main()
