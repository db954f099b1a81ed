"""An event that is produced to a real Kafka is on the dashboard's screen within half a second."""

import json
import statistics
import time
import unittest

import harness
from browser import Browser
from confluent_kafka import Producer

EVENTS = 9


class KafkaDashboard(unittest.TestCase):
    def test_from_kafka_to_the_screen_within_half_a_second(self):
        with harness.workspace("kafka_dashboard") as work, harness.Kafka(work / "kafka") as kafka, \
                harness.Server(work / "data", kafka=kafka.bootstrap) as server, Browser() as browser:
            server.start(120)
            browser.goto(url=server.url + "/")
            browser.wait(selector="[data-live=live]")
            producer = Producer({"bootstrap.servers": kafka.bootstrap, "linger.ms": 0, "acks": "all", "partitioner": "murmur2_random"})
            delays = []
            for number in range(EVENTS):
                event = harness.purchase_event(number)
                start = time.monotonic()
                producer.produce("bukubesar.purchases", key=event["subject"], value=json.dumps(event),
                                 headers=[("content-type", b"application/cloudevents+json")])
                self.assertEqual(producer.flush(20), 0)
                browser.until(expression=f"[...document.querySelectorAll('main a')].some((link) => link.textContent === '{event['subject']}')")
                delays.append(time.monotonic() - start)
            print("produced to Kafka, then on screen: " + ", ".join(f"{delay * 1000:.0f} ms" for delay in delays))
            self.assertLess(statistics.median(delays), 0.5 * harness.PATIENCE)
            total = server.get_json("/v1/totals", region="63")["total"]["broad"]
            browser.until(expression=f"document.querySelector('[data-figure=broad]').dataset.exact === '{total}'")
            self.assertEqual(server.stop(), 0)


if __name__ == "__main__":
    unittest.main()
