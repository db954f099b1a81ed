"""The golden corpus, seen by other people's software: Python's JSON parser and a JSON Schema validator.

Where the corpus says accepted, Python must read the value and the event's schema must hold. Where it is rejected for a reason that
concerns the text, Python must refuse it; for a reason that a schema can express, the schema must not hold. Exit code 77: the
validator (Debian: python3-jsonschema) is not there.

    corpus_check.py SOURCE_DIR
"""

import json
import os
import sys

try:
    import jsonschema
except ImportError:
    print("python3-jsonschema is not installed")
    sys.exit(77)

TEXT_REASONS = {"not_utf8", "not_json", "doubled_member"}
# Python reads these: it has no limit of 32, and lets half a surrogate pair pass.
NOT_PYTHONS = {"too_deep", "unpaired_surrogate"}
SCHEMA_REASONS = {
    "missing_member", "wrong_type", "too_long", "control_character", "invalid_code", "unknown_choice", "invalid_number",
    "too_many_decimals", "invalid_date", "invalid_time", "invalid_value", "unknown_specversion", "invalid_subject", "unknown_system",
    "data_base64", "data_content_type", "number_out_of_range", "not_cloudevent",
}
# What a schema can't tell: calendar days, order of an array, the last sen before int64 ends, 2023.0 from 2023.
BEYOND_SCHEMA = {
    'invalid date "2023-02-30"', "invalid value: unsorted funding", "one sen too much", "one sen too little", "a quantity too large",
    "wrong type: fiscal year with a point", "wrong type: amount with exponent",
}


def refuse_doubled(pairs):
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("doubled member")
    return members


def refuse_constant(name):
    raise ValueError(name)


def parse(text):
    return json.loads(text.decode("utf-8"), object_pairs_hook=refuse_doubled, parse_constant=refuse_constant)


def part_of(text):
    return bytes.fromhex(text["hex"]).decode("utf-8", "replace") if isinstance(text, dict) else text


def structured(case, value):
    """The event as structured mode would carry it, or None where the case is about something else."""
    headers = {name: part_of(text) for name, text in case["headers"]}
    content_type = next((text or "" for name, text in headers.items() if name.lower() == "content-type"), "")
    if content_type.lower().startswith("application/cloudevents+json") or not any(name.startswith("ce_") for name in headers):
        return value
    event = {name[3:]: text for name, text in headers.items() if name.startswith("ce_")}
    event["data"] = value
    return event


def main(source_dir):
    schemas = {}
    folder = os.path.join(source_dir, "config", "schemas")
    for name in sorted(name for name in os.listdir(folder) if name.endswith(".json")):
        with open(os.path.join(folder, name), encoding="utf-8") as file:
            schemas[name] = json.load(file)
        jsonschema.Draft202012Validator.check_schema(schemas[name])
    wrong = []
    counts = {"parsed": 0, "refused": 0, "held": 0, "broken": 0}

    def holds(event):
        name = None
        if isinstance(event, dict) and isinstance(event.get("type"), str):
            name = event["type"].removeprefix("id.bukubesar.") + ".json"
        if name not in schemas:
            name = "purchase.ordered.v1.json"  # an event without a known type must break any of them
        resolver = jsonschema.RefResolver("", schemas[name], store=schemas)
        return jsonschema.Draft202012Validator(schemas[name], resolver=resolver).is_valid(event)

    with open(os.path.join(source_dir, "tests", "events", "corpus", "v1.jsonl"), encoding="utf-8") as file:
        cases = [json.loads(line) for line in file]
    for case in cases:
        value = bytes.fromhex(case["value_hex"]) if "value_hex" in case else case.get("value")
        if value is None:
            continue
        value = value if isinstance(value, bytes) else value.encode("utf-8")
        reason = case["reason"]
        try:
            event = structured(case, parse(value))
            counts["parsed"] += 1
        except (ValueError, RecursionError):
            counts["refused"] += 1
            if reason not in TEXT_REASONS | NOT_PYTHONS | {"content_type"}:
                wrong.append(f"{case['name']}: Python refuses what the decoder calls {reason}")
            continue
        if reason in TEXT_REASONS and "ce_" not in case["detail"]:
            wrong.append(f"{case['name']}: Python reads what the decoder calls {reason}")
        elif reason == "none":
            counts["held"] += 1
            if not holds(event):
                wrong.append(f"{case['name']}: accepted, and its schema does not hold")
        elif reason in SCHEMA_REASONS:
            counts["broken"] += 1
            if holds(event) != (case["name"] in BEYOND_SCHEMA):
                wrong.append(f"{case['name']}: {reason}, and its schema {'holds' if holds(event) else 'does not hold'}")
    print(f"{len(cases)} cases: {counts}")
    for line in wrong:
        print(line)
    if wrong or min(counts.values()) < 20:
        sys.exit(1)


if __name__ == "__main__":
    main(sys.argv[1])
