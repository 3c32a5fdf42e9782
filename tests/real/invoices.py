"""A small invoice system: takes usage records off RabbitMQ as a real one should.

It binds a quorum queue of its own, drops repeats by id, checks every event against the JSON Schema, sums
amounts per currency, lets the highest revision of a key stand, and knows a period as complete once its
period records and all that they count are there. Two contents for one key and revision are an alarm.
"""
import csv
import decimal
import hashlib
import io
import json
import pathlib
import struct
import threading

import jsonschema
import pika

SCHEMA = json.loads((pathlib.Path(__file__).resolve().parents[2] /
                     "rater/schema/usage-record.schema.json").read_text())
EXCHANGE = "tallyman.usage"
QUEUE = "invoices"
PERIOD = "tallyman.usage.period.v1"


def add(sums, money):
    sums[money["currency"]] = sums.get(money["currency"], decimal.Decimal()) + decimal.Decimal(money["amount"])


def hash_of_ids(lines):
    """As the schema says: BLAKE2b-256 over the ids by customer and meter, each behind its length."""
    made = hashlib.blake2b(digest_size=32)
    for event in sorted(lines, key=lambda each: (each["data"]["key"]["customer"].encode(),
                                                 each["data"]["key"]["meter"].encode())):
        made.update(struct.pack("<Q", len(event["id"])) + event["id"].encode())
    return made.hexdigest()


def is_whole(one):
    """One revision of a period against its period record. A later revision's sums are what it changes."""
    if one["sum"] is None or one["sum"]["records"] != len(one["lines"]):
        return False
    sums = {}
    for event in one["lines"]:
        money = event["data"].get("difference", event["data"])
        if "amount" in money:
            add(sums, money)
    told = {currency: decimal.Decimal(amount) for currency, amount in one["sum"]["sums"].items()}
    return one["sum"]["ids"] == hash_of_ids(one["lines"]) and told == sums


class Invoices:
    """Consumes in a thread of its own, from whichever node answers, until close()."""

    def __init__(self, ports, queue=QUEUE):
        self.ports, self.queue = list(ports), queue
        self.lock = threading.Lock()
        self.events = {}  # id: the body, byte for byte
        self.repeats = 0
        self.alarms = []
        self.content = {}  # (customer, meter, period, revision): id
        self.validator = jsonschema.Draft202012Validator(SCHEMA)
        self.ended = threading.Event()
        self.bound = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        turn = 0
        while not self.ended.is_set():
            port = self.ports[turn % len(self.ports)]
            turn += 1
            try:
                self.consume(port)
            except (pika.exceptions.AMQPError, OSError):
                self.ended.wait(0.2)

    def consume(self, port):
        parameters = pika.ConnectionParameters("127.0.0.1", port, heartbeat=10, blocked_connection_timeout=None,
                                               socket_timeout=5, stack_timeout=10)
        with pika.BlockingConnection(parameters) as connection:
            channel = connection.channel()
            declare(channel, self.queue)
            self.bound.set()
            channel.basic_qos(prefetch_count=200)
            idle = 0
            for method, properties, body in channel.consume(self.queue, inactivity_timeout=0.2):
                if self.ended.is_set():
                    return
                idle = idle + 1 if method is None else 0
                if idle > 10:
                    return  # a queue that was deleted may take its consumer along without a word
                if method is None:
                    continue
                self.take(properties, method.routing_key, body)
                channel.basic_ack(method.delivery_tag)

    def take(self, properties, routing_key, body):
        try:
            event = json.loads(body)
        except ValueError:
            with self.lock:
                self.alarms.append(f"not JSON: {body[:80]}")
            return
        wrong = [error.message for error in self.validator.iter_errors(event)]
        with self.lock:
            if properties.content_type != "application/cloudevents+json" or properties.delivery_mode != 2 or \
                    properties.message_id != event["id"] or not routing_key.startswith("v1."):
                wrong.append(f"properties {properties} of {routing_key}")
            if event["id"] in self.events:
                self.repeats += 1
                if self.events[event["id"]] != body:
                    wrong.append("two contents for one id")
            self.events[event["id"]] = body
            key = event["data"]["key"]
            name = (event["type"], key.get("customer"), key.get("meter"), key["period"]["id"],
                    event["data"]["revision"])
            if self.content.setdefault(name, event["id"]) != event["id"]:
                wrong.append(f"two contents for {name}")
            self.alarms += wrong

    def taken(self):
        with self.lock:
            return dict(self.events)

    def received_csv(self):
        """What it has taken, as `tallyman-rater reconcile --received` reads it."""
        text = io.StringIO()
        rows = csv.writer(text)
        rows.writerow(["id", "customer", "meter", "period", "revision"])
        for name, body in self.taken().items():
            data = json.loads(body)["data"]
            key = data["key"]
            rows.writerow([name, key.get("customer", ""), key.get("meter", ""), key["period"]["id"],
                           data["revision"]])
        return text.getvalue()

    def of_period(self, name):
        """Its events, by revision: the period record of all (or None), and records or adjustments."""
        found = {}
        for body in self.taken().values():
            event = json.loads(body)
            if event["data"]["key"]["period"]["id"] != name:
                continue
            one = found.setdefault(event["data"]["revision"], {"sum": None, "lines": []})
            if event["type"] != PERIOD:
                one["lines"].append(event)
            elif "subject" not in event:
                one["sum"] = event["data"]
        return found

    def sums(self, name):
        """What a period comes to, per currency: of each customer and meter the highest revision stands, in
        whatever order they came."""
        standing, sums = {}, {}
        for revision, one in sorted(self.of_period(name).items()):
            for event in one["lines"]:
                data = event["data"]
                standing[data["key"]["customer"], data["key"]["meter"]] = data if revision == 1 else data["new"]
        for record in standing.values():
            if record and "amount" in record:
                add(sums, record)
        return sums

    def complete(self, name):
        """Whether revision 1 and every other one of which something has come are whole: as many lines as the
        period record counts, the same ids, and the same sums."""
        found = self.of_period(name)
        return 1 in found and all(is_whole(one) for one in found.values())

    def close(self):
        self.ended.set()
        self.thread.join(30)


def declare(channel, queue=QUEUE):
    channel.exchange_declare(EXCHANGE, "topic", durable=True)
    channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum"})
    channel.queue_bind(queue, EXCHANGE, "v1.#")


def on_channel(port, do):
    """Calls do(channel) as the broker's administrator would."""
    with pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", port)) as connection:
        return do(connection.channel())
