"""`python -m drover_shared.create_bucket` makes the bucket unless it is there, and exits."""

from drover_shared.logging import configure, get_logger
from drover_shared.objects import ObjectStore
from drover_shared.process import run_main
from drover_shared.settings import Environment, LogSettings, S3Settings


def main() -> int:
    """Exit status 0 when the bucket is there; raises InfrastructureError where the store does not answer."""
    env = Environment()
    configure("create-bucket", LogSettings.read(env))
    settings = S3Settings.read(env)
    store = ObjectStore(settings, connections=1)
    try:
        store.ensure_bucket()
    finally:
        store.close()
    get_logger("drover.create_bucket").info("bucket_ready", bucket=settings.bucket)
    return 0


if __name__ == "__main__":
    run_main(main)
