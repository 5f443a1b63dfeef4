"""The Celery app itself."""

from shared.queues import celery_app
from shared.settings import get_settings
from worker.process import messages  # noqa: F401  # its settings must be made before the first connection
from worker.process.health import ConsumerLoopCheck

app = celery_app(get_settings())
app.Task.Strategy = "worker.process.messages:careful"
app.steps["consumer"].add(ConsumerLoopCheck)
app.conf.update(include=["worker.app.lifecycle", "worker.tasks"], beat_scheduler="worker.app.beat:Scheduler")
