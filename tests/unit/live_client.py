"""A client of live chords, for the tests: what it sends, and what it makes of the answers."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import soxr

from core.audio.wav import wav_samples
from core.live.connection import LiveConnection
from tests.audio_files import Audio
from tests.music import Music

Answers = list[dict[str, Any]]


def said(audio: bytes, **fields: Any) -> str:
    """A message with audio in base64."""
    return json.dumps({"data": base64.b64encode(audio).decode(), **fields})


def start(**form: Any) -> str:
    return json.dumps({"type": "start", **form})


def pieces(content: bytes, size: int) -> list[bytes]:
    return [content[place : place + size] for place in range(0, len(content), size)]


def pcm(samples: Audio) -> bytes:
    return wav_samples(samples, "pcm16")


def resampled(music: Music, sample_rate: int, channels: int = 1) -> Audio:
    """``[C, T]``"""
    samples = music.samples if channels == 2 else music.samples.mean(axis=0, keepdims=True)
    return np.ascontiguousarray(soxr.resample(samples.T, music.sample_rate, sample_rate).T, np.float32).reshape(
        channels, -1
    )


def answers_to(messages: Iterable[str | bytes], moving: bool = False) -> list[Answers]:
    """The answers to each message; ``moving`` takes the conversation to another process after each."""
    connection = LiveConnection()
    found = []
    for message in messages:
        found.append(connection.receive(message))
        if moving:
            connection = LiveConnection.load(connection.dump())
    return found


@dataclass(frozen=True)
class Said:
    """A chord that was said.

    Attributes:
        message: the number of the message that it answers.
    """

    label: str
    symbol: str
    seconds: float
    confidence: float
    message: int


def chords_in(answers: list[Answers]) -> list[Said]:
    return [
        Said(label, symbol, seconds, confidence, number)
        for number, batch in enumerate(answers)
        for answer in batch
        if "chords" in answer
        for label, symbol, seconds, confidence in zip(
            answer["labels"], answer["chords"], answer["times"], answer["confidence"], strict=True
        )
    ]


def labels_in(answers: list[Answers]) -> list[str]:
    return [chord.label for chord in chords_in(answers)]


def errors_in(answers: list[Answers]) -> list[dict[str, str]]:
    return [answer["error"] for batch in answers for answer in batch if "error" in answer]
