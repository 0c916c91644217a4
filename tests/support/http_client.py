"""One HTTP request on a connection of its own, and the credentials that go with it."""
import base64
import http.client

from support.checks import Failure


def basic(user, password):
    """The value of the Authorization header."""
    return "Basic " + base64.b64encode(("%s:%s" % (user, password)).encode()).decode()


class Answer:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers  # names in lower case
        self.body = body

    def header(self, name):
        return self.headers.get(name)


def request(host, port, method, target, headers=None, body=None, chunks=None, tls=None, seconds=30.0):
    """Ask once.  chunks: the body is sent with Transfer-Encoding: chunked.  No answer is a Failure."""
    if tls is not None:
        connection = http.client.HTTPSConnection(host, port, timeout=seconds, context=tls)
    else:
        connection = http.client.HTTPConnection(host, port, timeout=seconds)
    try:
        headers = dict(headers or {})
        if chunks is not None:
            headers["Transfer-Encoding"] = "chunked"
            connection.request(method, target, body=iter(chunks), headers=headers, encode_chunked=True)
        else:
            connection.request(method, target, body=body, headers=headers)
        answer = connection.getresponse()
        data = answer.read()
        return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, data)
    except (OSError, http.client.HTTPException) as problem:
        raise Failure("%s %s: %s: %s" % (method, target[:60], type(problem).__name__, problem))
    finally:
        connection.close()
