"""A small OpenID Connect provider for tests: whoever comes is logged in as the person whom the test set."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT = "gexviz-test"
_KEY = RSAKey.generate_key(2048, {"kid": "test", "use": "sig", "alg": "RS256"})


class Provider(ThreadingHTTPServer):
    """The provider; ``person`` are the claims of whoever logs in next."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.address = f"http://127.0.0.1:{self.server_port}"
        self.person: dict[str, object] = {}
        self.nonce = ""


class _Handler(BaseHTTPRequestHandler):
    server: Provider

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        address, path = self.server.address, urlsplit(self.path)
        if path.path == "/.well-known/openid-configuration":
            self._answer(
                {"issuer": address, "authorization_endpoint": f"{address}/authorize",
                 "token_endpoint": f"{address}/token", "jwks_uri": f"{address}/jwks",
                 "response_types_supported": ["code"], "subject_types_supported": ["public"],
                 "id_token_signing_alg_values_supported": ["RS256"], "code_challenge_methods_supported": ["S256"]}
            )  # fmt: skip
        elif path.path == "/jwks":
            self._answer({"keys": [_KEY.as_dict(private=False)]})
        elif path.path == "/authorize":
            asked = {key: values[0] for key, values in parse_qs(path.query).items()}
            self.server.nonce = asked["nonce"]
            self.send_response(302)
            answer = urlencode({"code": "c", "state": asked["state"]})
            self.send_header("Location", f"{asked['redirect_uri']}?{answer}")
            self.end_headers()
        else:
            self.send_error(404)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        now = int(time.time())
        claims = {"iss": self.server.address, "aud": CLIENT, "sub": "1", "iat": now, "exp": now + 600,
                  "nonce": self.server.nonce} | self.server.person  # fmt: skip
        token = jwt.encode({"alg": "RS256", "kid": "test"}, claims, _KEY)
        self._answer({"access_token": "a", "token_type": "Bearer", "expires_in": 600, "id_token": token})

    def _answer(self, content: dict[str, object]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(content).encode())


@contextmanager
def provide() -> Iterator[Provider]:
    """Run a provider."""
    with Provider() as provider:
        thread = threading.Thread(target=provider.serve_forever)
        thread.start()
        yield provider
        provider.shutdown()
        thread.join()
