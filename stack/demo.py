"""`make demo`: the whole way of a batch, on real parts, from nothing."""

import shutil
import subprocess
import sys

from shared.model.bundle import MANIFEST, Manifest
from shared.model.review import Review
from stack.processes import StartError
from stack.receiver import WebhookReceiver
from stack.services import ROOT, Stack, bundle_folder, pick_ports

WEBHOOK_S = 30


def say(text: str) -> None:
    """At once: the child processes print to the same place."""
    print(text, flush=True)


def run() -> None:
    """Start everything, classify sample products, show what came of it, stop."""
    manifest = Manifest.model_validate_json((bundle_folder() / MANIFEST).read_bytes())
    say(f"\nThe model: VGG16 with {manifest.vgg16_weights} weights, LSTM over {manifest.max_words} words")
    say(f"  {_promise(manifest.review)}")
    state = ROOT / ".run/demo"
    sample = state / "sample"
    shutil.rmtree(sample, ignore_errors=True)
    python("-m", "training.sample.shop", str(sample))
    with Stack(ROOT, state, pick_ports(), say=lambda step: say(f"  {step} …")) as stack:
        say(f"\nEverything is up: {stack.url}\n")
        with WebhookReceiver(stack.webhook_secret) as receiver:
            table, pictures = sample / "products.csv", sample / "pictures"
            python(
                *("-m", "catalog_client", "submit", str(table), "--pictures", str(pictures)),
                *("--webhook", receiver.url, "--url", stack.url),
            )
            event = receiver.received.get(timeout=WEBHOOK_S)
        say(f"\nThe signed webhook came and its signature is right: {event['type']} {event['data']['counts']}")
    say(
        "\nAll stopped. Where to go from here:\n"
        "  make up                     the same service, until Ctrl-C: console on http://127.0.0.1:5000/console,\n"
        "                              API on 5000 (/docs), MLflow on 5001\n"
        "  .venv/bin/catalog --help    send your own products\n"
        "  README.md                   train on the real ones\n"
        f"  {state.relative_to(ROOT)}/*.log              what each part said"
    )


def _promise(review: Review) -> str:
    if review.threshold is None:
        return f"every answer needs a look: at no confidence were {review.precision:.0%} of the answers right"
    return (
        f"answers below a confidence of {review.threshold:.0%} need a look; the others, {review.coverage:.0%} of the "
        f"validation items, were right at least {review.precision:.0%} of the time"
    )


def python(*arguments: str) -> None:
    subprocess.run([sys.executable, *arguments], cwd=ROOT, check=True)


if __name__ == "__main__":
    try:
        run()
    except StartError as error:
        sys.exit(str(error))
