"""Reads the golden vectors; `vectors/README.md` says what is in them."""

import json
from pathlib import Path
from typing import Any

from provisioning.wire.messages import Get, Result, Results

FOLDER = Path(__file__).parent / "vectors"
Vector = dict[str, Any]


def load(*files: str) -> list[Vector]:
    """The vectors of some files, each with the name of its file for a test's id."""
    return [
        {**vector, "test": f"{file}: {vector['name']}"}
        for file in files
        for vector in json.loads((FOLDER / f"{file}.json").read_text())["vectors"]
    ]


def payload(vector: Vector) -> bytes:
    """The bytes of a vector's payload."""
    if "pieces" in vector:
        return b"".join(payload(piece) * piece.get("times", 1) for piece in vector["pieces"])
    return vector["text"].encode() if "text" in vector else bytes.fromhex(vector["hex"])


def get_value(get: Get) -> dict[str, object]:
    """A `get` as the vectors write it."""
    return {
        "id": get.id,
        "after": get.after,
        "limit": get.limit,
        "rxMaxSize": get.rx_max_size,
        "txMaxSize": get.tx_max_size,
        "types": None if get.types is None else sorted(get.types),
        "client": get.client,
    }


def results_value(results: Results) -> dict[str, object]:
    """A `results` as the vectors write it."""
    return {"id": results.id, "results": [_result_value(result) for result in results.results]}


def _result_value(result: Result) -> dict[str, object]:
    return {
        "id": result.id,
        "ok": result.ok,
        "value": result.value,
        "code": result.code,
        "message": result.message,
    }
