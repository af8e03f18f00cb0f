"""`python -m service.worker`: the process that looks after challenges nobody is asking about."""

from gevent import monkey

monkey.patch_all()  # before anything opens a socket: deadlines interrupt greenlets

from service import garbage  # noqa: E402

garbage.look_seldom()

from service.process import begin  # noqa: E402
from service.worker.loop import run  # noqa: E402

if __name__ == "__main__":
    services = begin()
    garbage.keep()
    run(services)
