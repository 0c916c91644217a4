"""Requests that no honest client sends."""
from support.exporter import AUTH_DRAIN

# Headers of a POST whose length two readers understand differently.
AMBIGUOUS_HEADERS = (
    "Content-Length: 5\r\n \nTransfer-Encoding: chunked", "Content-Length: 5\r\n 5", "Content-Length: 5\r\n\tX: y", "Content-Length: 5\nTransfer-Encoding: chunked",
    "Content-Length: 5\r\nContent-Length: 5", "Content-Length: 5, 5", "Content-Length: +5", "Content-Length: 0x5", "Content-Length: 5\r\nTransfer-Encoding: chunked",
    "Transfer-Encoding: chunked\r\nContent-Length: 5", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked, identity",
    "Transfer-Encoding:\x0bchunked", "Transfer-Encoding : chunked", "Content-Length : 5", "X: y\rContent-Length: 5", "Host: y\r\nContent-Length: 5", "X: y\n\nContent-Length: 5")

# Bodies of a POST in chunks that are none.
AMBIGUOUS_CHUNKS = (
    "0x5\r\nabcde\r\n0\r\n\r\n", "5\nabcde\r\n0\r\n\r\n", "5\r\nabcde\n0\r\n\r\n", "5 5\r\nabcde\r\n0\r\n\r\n", "+5\r\nabcde\r\n0\r\n\r\n", "5\r\nabcdefg\r\n0\r\n\r\n", "0\r\nT: x\n\n", "5;a\nb\r\nabcde\r\n0\r\n\r\n")


def ambiguous_requests(start):
    """All of these behind start, which is a request line and headers; and one without a Host."""
    cases = [start + header + "\r\n\r\n0\r\n\r\n" for header in AMBIGUOUS_HEADERS]
    cases += [start + "Transfer-Encoding: chunked\r\n\r\n" + chunks for chunks in AMBIGUOUS_CHUNKS]
    cases += ["POST /drain HTTP/1.1\r\nAuthorization: %s\r\nContent-Length: 0\r\n\r\n" % AUTH_DRAIN["Authorization"]]
    return cases
