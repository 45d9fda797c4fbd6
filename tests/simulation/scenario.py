"""What a run works on: Jobs of every mode and pods that take their time or fail, all drawn from the seed."""

import random

from msgspec import Struct

from podledger.api.job import Job, JobSpec, PodTemplateSpec
from podledger.api.meta import ObjectMeta
from podledger_adapters.nodes.behaviour import Workload

__all__ = ["Scenario", "draw_scenario", "fixed_job", "indexed_job"]

MODES = ("fixed", "queue", "indexed", "per index", "doomed")
TEMPLATE = PodTemplateSpec(spec={"restartPolicy": "Never", "containers": [{"name": "work", "image": "simulated"}]})
# A back-off limit that no run reaches: its Jobs go on until they are complete.
ENDLESS = 1000


class Scenario(Struct, frozen=True):
    """The Jobs of a run and what their pods do."""

    jobs: tuple[Job, ...]
    workload: Workload

    def __str__(self) -> str:
        jobs = ", ".join(f"{job.metadata.name} {job.spec.completions}/{job.spec.parallelism}" for job in self.jobs)
        return f"{jobs}; failures {self.workload.failure_probability:.2f}, durations {self.workload.duration_s}"


def fixed_job(name: str, *, completions: int, parallelism: int) -> Job:
    """A NonIndexed Job that goes on until it is complete."""
    spec = JobSpec(parallelism=parallelism, completions=completions, backoff_limit=ENDLESS, template=TEMPLATE)
    return Job(metadata=ObjectMeta(name=name, namespace="default"), spec=spec)


def indexed_job(name: str, *, completions: int, retries: int) -> Job:
    """An Indexed Job of which all indexes run at once, each so often again."""
    spec = JobSpec(
        parallelism=completions,
        completions=completions,
        completion_mode="Indexed",
        backoff_limit_per_index=retries,
        template=TEMPLATE,
    )
    return Job(metadata=ObjectMeta(name=name, namespace="default"), spec=spec)


def draw_scenario(seed: int) -> Scenario:
    """One to three Jobs and a workload."""
    draw = random.Random(f"scenario {seed}")
    jobs = tuple(_draw_job(draw, number) for number in range(draw.randint(1, 3)))
    longest = draw.choice((0.0, 5.0, 60.0))
    workload = Workload(
        duration_s=(0.0, longest),
        start_s=(0.0, draw.choice((0.0, 2.0))),
        failure_probability=draw.choice((0.0, 0.1, 0.3)),
    )
    return Scenario(jobs, workload)


def _draw_job(draw: random.Random, number: int) -> Job:
    mode = draw.choice(MODES)
    per_index = mode == "per index"
    limit = draw.randint(0, 1) if mode == "doomed" else ENDLESS
    completions = draw.randint(1, 12)
    spec = JobSpec(
        parallelism=draw.randint(1, 5),
        completions=None if mode == "queue" else completions,
        completion_mode="Indexed" if mode == "indexed" or per_index else None,
        backoff_limit=None if per_index else limit,
        backoff_limit_per_index=draw.randint(0, 2) if per_index else None,
        template=TEMPLATE,
    )
    return Job(metadata=ObjectMeta(name=f"{mode.replace(' ', '-')}-{number}", namespace="default"), spec=spec)
