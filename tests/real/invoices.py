"""A small invoice system: takes usage records off RabbitMQ as a real one should.

It binds a quorum queue of its own, drops repeats by id, checks every event against the JSON Schema, sums
amounts per currency, and knows a period as complete once its period record and all that it counts are
there. Two contents for one key and revision are an alarm.
"""
import decimal
import json
import pathlib
import threading

import jsonschema
import pika

SCHEMA = json.loads((pathlib.Path(__file__).resolve().parents[2] /
                     "rater/schema/usage-record.schema.json").read_text())
EXCHANGE = "tallyman.usage"
QUEUE = "invoices"
PERIOD = "tallyman.usage.period.v1"


class Invoices:
    """Consumes in a thread of its own, from whichever node answers, until close()."""

    def __init__(self, ports):
        self.ports = list(ports)
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
            declare(channel)
            self.bound.set()
            channel.basic_qos(prefetch_count=200)
            for method, properties, body in channel.consume(QUEUE, inactivity_timeout=0.2):
                if self.ended.is_set():
                    return
                if method is None:
                    continue
                self.take(properties, method.routing_key, body)
                channel.basic_ack(method.delivery_tag)

    def take(self, properties, routing_key, body):
        event = json.loads(body)
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

    def period(self, name):
        """(records there, records counted by the period record or None, sums per currency)."""
        sums, there, counted = {}, 0, None
        for body in self.taken().values():
            event = json.loads(body)
            data = event["data"]
            if data["key"]["period"]["id"] != name:
                continue
            if event["type"] == PERIOD:
                if "subject" not in event:
                    counted = data["records"]
                continue
            there += 1
            if "amount" not in data:
                continue
            sums[data["currency"]] = sums.get(data["currency"], decimal.Decimal()) + decimal.Decimal(data["amount"])
        return there, counted, sums

    def complete(self, name):
        there, counted, _ = self.period(name)
        return counted is not None and there == counted

    def close(self):
        self.ended.set()
        self.thread.join(30)


def declare(channel):
    channel.exchange_declare(EXCHANGE, "topic", durable=True)
    channel.queue_declare(QUEUE, durable=True, arguments={"x-queue-type": "quorum"})
    channel.queue_bind(QUEUE, EXCHANGE, "v1.#")


def on_channel(port, do):
    """Calls do(channel) as the broker's administrator would."""
    with pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", port)) as connection:
        return do(connection.channel())
