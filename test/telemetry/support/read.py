"""What Prometheus' client and OpenTelemetry's protocol buffers read: series and their numbers, of histograms the count."""

import json
import sys

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from prometheus_client.parser import text_string_to_metric_families

folder = sys.argv[1]


def series(name, labels):
    return name + "{" + ",".join(sorted(f"{label}={value}" for label, value in labels)) + "}"


def of_text():
    with open(f"{folder}/metrics.txt", encoding="utf-8") as file:
        for family in text_string_to_metric_families(file.read()):
            for sample in family.samples:
                if family.type == "histogram":
                    if not sample.name.endswith("_count"):
                        continue
                    yield series(sample.name[: -len("_count")], sample.labels.items()), sample.value
                else:
                    yield series(sample.name, sample.labels.items()), sample.value


def value_of(any_value):
    return getattr(any_value, any_value.WhichOneof("value"))


def of_otlp():
    with open(f"{folder}/metrics.pb", "rb") as file:
        request = ExportMetricsServiceRequest.FromString(file.read())
    for resource in request.resource_metrics:
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                kind = metric.WhichOneof("data")
                for point in getattr(metric, kind).data_points:
                    labels = [(each.key, value_of(each.value)) for each in point.attributes]
                    number = point.count if kind == "histogram" else getattr(point, point.WhichOneof("value"))
                    yield series(metric.name, labels), number


json.dump({"text": dict(of_text()), "otlp": dict(of_otlp())}, sys.stdout)
