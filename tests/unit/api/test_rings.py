"""Which rings are spared."""

from contextlib import suppress

from drover_api.rings import Ringer


def test_of_many_rings_for_one_pool_only_the_last_is_rung() -> None:
    ringer = Ringer("redis://127.0.0.1:1/0")
    ringer.close()  # so that no thread takes what waits
    for job_id in (1, 2, 3):
        ringer.job_waits(job_id, "default")
    ringer.job_waits(4, "other")
    ringer.job_waits(5)  # it has ended: what follows is its own
    rung = []
    with suppress(IndexError):
        while True:
            rung.append(ringer._next())
    assert [ring.job_id for ring in rung if ring is not None] == [3, 4, 5]  # type: ignore[union-attr]
