"""Free ports."""
import random
import socket

from support.checks import Failure


def free_port(host="127.0.0.1"):
    """A free port below those that the kernel gives to outgoing connections, so that none of ours can take it meanwhile."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for _ in range(1000):
        port = random.randrange(20000, 32000)
        with socket.socket(family) as probe:
            try:
                probe.bind((host, port))
                return port
            except OSError:
                continue
    raise Failure("there is no free port")
