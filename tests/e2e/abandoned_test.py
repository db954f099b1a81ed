"""Scans that nobody waits for any more stop: a hundred and fifty clients that ask for history and go delay the next one hardly at all, in clear
and under TLS, where a client's farewell stands unread before the end of its connection."""

import re
import socket
import ssl
import time
import unittest
import urllib.parse

import certificates
import harness

PURCHASES = 40_000
BATCH = 2_000
CLIENTS = 150
# Each dimension makes groups; an amount by cell counts purchase by purchase. As dear as a question gets.
DIMENSIONS = "institution,vendor,scale,component,origin,catalogue_kind,commodity,order_month"


class Abandoned(unittest.TestCase):
    def test_abandoned_scans_delay_nobody(self):
        with harness.workspace("abandoned") as work:
            certificate, key = (authority := certificates.Authority(work / "certificates", "ours")).sign("server")
            with harness.Server(work / "data") as server:
                server.start()
                self.fill(server)
                self.abandon(server, None)
                self.assertEqual(server.stop(), 0)
                server.settings |= {"http.tls_certificate_file": certificate, "http.tls_key_file": key}
                server.ca = authority.certificate
                server.start()
                self.abandon(server, ssl.create_default_context(cafile=str(authority.certificate)))
                self.assertEqual(server.stop(), 0)

    def fill(self, server: harness.Server):
        for first in range(0, PURCHASES, BATCH):
            events = [harness.purchase_event(number, vendor=f"v-{number}", institution=f"D{number % 97}") for number in range(first, first + BATCH)]
            self.assertEqual(server.post_events(events).status, 200)
        harness.wait_until("the totals to have it", lambda: server.get_json("/v1/totals")["total"]["packages"] == PURCHASES)

    def target(self, size: int) -> str:
        """As of a cut of its own: no answer that is kept fits."""
        return "/v1/totals?" + urllib.parse.urlencode({"by": DIMENSIONS, "as_of": f"0={size},reference=0"})

    def scan_seconds(self, server: harness.Server, size: int) -> float:
        begin = time.monotonic()
        self.assertEqual(server.get(self.target(size)).status, 200)
        return time.monotonic() - begin

    def abandon(self, server: harness.Server, tls: ssl.SSLContext | None):
        one = min(self.scan_seconds(server, PURCHASES - number) for number in range(3))
        clients = []
        for number in range(CLIENTS):
            client = socket.create_connection(("127.0.0.1", server.port), timeout=60)
            if tls:
                client = tls.wrap_socket(client, server_hostname="127.0.0.1")
            clients.append(client)
        for number, client in enumerate(clients):
            client.sendall(f"GET {self.target(PURCHASES - 10 - number)} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        for client in clients:
            if tls:
                client.settimeout(0)
                try:
                    client.unwrap()  # sends the farewell; does not wait for the server's
                except (ssl.SSLError, OSError):
                    pass
            client.close()
        waited = self.scan_seconds(server, PURCHASES - 5)
        all_of_them = CLIENTS / 2 * one
        print(f"counts: abandoned_scans={CLIENTS} scan_ms={one * 1000:.0f} next_ms={waited * 1000:.0f} all_would_be_ms={all_of_them * 1000:.0f}")
        self.assertLess(waited, all_of_them / 3 + 0.5, "the next one waited for what nobody waits for")
        harness.wait_until("the metric", lambda: self.gone(server) > 0)

    def gone(self, server: harness.Server) -> int:
        found = re.search(r'bukubesar_http_requests_total\{[^}]*route="/v1/totals"[^}]*status="499"[^}]*\} (\d+)', server.get("/metrics").body.decode())
        return int(found.group(1)) if found else 0


if __name__ == "__main__":
    certificates.need_openssl()
    unittest.main()
