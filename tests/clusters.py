"""Small Dask clusters for tests."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def threads_as_workers(workers: int) -> Iterator[str]:
    """Run a scheduler and workers in this process and yield the address. All they exchange is still pickled."""
    from distributed import LocalCluster

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cluster = LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=False,
            protocol="tcp",
            host="127.0.0.1",
            dashboard_address=None,
        )
    with cluster:
        yield str(cluster.scheduler_address)
