"""The words of questions: what each of them is about. English, as beginnings of words or as phrases."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache

from core.questions.fact import Topic

_TOPICS: Mapping[Topic, str] = {
    Topic.MADE: r"how (?:was|is|were|did|has|have)|made|generat\w*|creat\w*|produc\w*|built|process(?:ed|ing)?|"
    r"came about|come about|summar\w*|overview|tell me about|separated|work(?:ed|s)?",
    Topic.FOUND: r"found|find|hear\w*|detect\w*|extract\w*|analy\w*|features?|measur\w*|notic\w*|contain\w*|"
    r"summar\w*|overview|tell me about|characteris\w*|characteriz\w*|came out|what is (?:it|this)",
    Topic.PARAMETERS: r"parameters?|settings?|options?|configur\w*|used|inputs?|requested|asked for|chosen|chose",
    Topic.ADVICE: r"do about|what (?:can|could|must) (?:i|we) do|fix\w*|mend\w*|repair\w*|solv\w*|chang\w*|"
    r"adjust\w*|improv\w*|better|should|tweak\w*|clos(?:er|e)|near\w*|more|less|loude[rn]\w*|quieter|faster|slower|"
    r"brighter|darker|softer|harder|cleaner|how much|rais\w*|lower|increas\w*|decreas\w*|reduc\w*|instead|"
    r"recommend\w*|suggest\w*|advice|advise|try|different\w*|another|next time|how (?:can|could|do|would) (?:i|we|"
    r"you)|turn (?:up|down)",
    Topic.TROUBLE: r"wrong|errors?|fail\w*|problems?|trouble\w*|broke\w*|crash\w*|stuck|issues?|warning\w*|why|"
    r"bad(?:ly)?|(?:does|did|do)(?: not|nt) work|reject\w*|refus\w*|mistake\w*",
    Topic.TIMES: r"when|how long (?:did|does|will|has|until)|time|times|finish\w*|started|ended|ready|done|status|"
    r"progress|state|still|waiting|wait|yet|how far|took|history|happened",
}  # fmt: skip

_NAMES: Mapping[str, str] = {
    "attempts": r"attempts?|retr(?:y|ied|ies|ying)|tries",
    "balance": r"balanc\w*",
    "bank": r"bank|cached?|derived?|sample id",
    "begun": r"started|began|begun|(?:it|this|job) starts?",
    "beats": r"beats?|bars?|metre|meter|time signature|downbeats?|rhythm\w*|groove",
    "brightness": r"bright\w*|dark\w*|dull|timbre|spectr(?:um|al)\w*|tone colou?r|centroid",
    "callback": r"callbacks?|webhooks?|deliver(?:y|ies)|notif\w*",
    "cancel": r"cancel\w*|stopped|abort\w*",
    "channels": r"stereo|mono|channels?",
    "chords": r"chords?|harmon\w*|progression",
    "compute": r"gpu|cpu|float\w*|precision|hardware",
    "confidence": r"sure|confiden\w*|certain\w*|reliab\w*|trust\w*",
    "crossfade": r"cross ?fad\w*|fad(?:e|es|ed|ing)",
    "difference": r"differ|differs|differences?|compar\w*",
    "duration": r"duration|length|how long is|how long are|lasts?|longer|shorter",
    "dynamics": r"dynamics?|loudness range|compression",
    "effects": r"effects?|reverb\w*|compressor|equali[sz]er|eq|delay|echo\w*|drive|distortion|limiter|gate|lowpass|"
    r"highpass|bandpass|filters?",
    "end": r"end(?:ed|s)?|finish\w*",
    "engine": r"engines?|models?|software|algorithm\w*|network|tool",
    "error": r"errors?",
    "expiry": r"expir\w*|kept|keep|deleted|removed|retention|available|gone",
    "files": r"files?|download\w*|zip",
    "format": r"formats?|wav|flac|mp3|ogg|m4a|codecs?|bit depth|encod(?:ed|ing)",
    "gain": r"gains?",
    "guidance": r"guidance\w*",
    "history": r"history|steps it took|happened|timeline|log",
    "instrument": r"instruments?",
    "key": r"keys?|tonal\w*|tonic|major|minor",
    "licence": r"licen[cs]\w*|commercial\w*|rights|copyright\w*|legal\w*|sell|allowed",
    "louder": r"louder|turn (?:it )?up|too quiet|so quiet|too soft|raise|increase|more (?:volume|drums?|bass|"
    r"guitars?|vocals?|pianos?|synths?)",
    "loudness": r"loud\w*|quiet\w*|volume|lufs|levels?|soft\w*",
    "melody": r"melod\w*",
    "mix": r"mix|mixed|mixdown",
    "note": r"notes?|strings?|frets?|pitch",
    "overlap": r"overlap\w*",
    "peak": r"peaks?|clip\w*|distort(?:ed|s)?|dbtp|headroom|full scale|dbfs",
    "prompt": r"prompts?|descriptions?|text",
    "quality": r"clean\w*|quality|artifacts?|artefacts?|bleed\w*|leak\w*",
    "quieter": r"quieter|softer|turn (?:it )?down|too loud|so loud|lower|reduce|decrease|less (?:volume|drums?|bass|"
    r"guitars?|vocals?|pianos?|synths?)",
    "queue": r"queue\w*|waiting|wait(?:ed)?|place|position",
    "ratio": r"ratios?|blend\w*|morph\w*|interpolat\w*|like track|to track|(?:more|less) like|closer to|nearer to|"
    r"how much of|nearer|closer|bridges?",
    "residual": r"residual\w*|left over|leftover|missing|complete\w*|add up",
    "sample_rate": r"sampl(?:e|ing) rates?|hz|khz|samplerate",
    "sampling": r"top k|top p|sampling|tokens?",
    "sections": r"sections?|form|structure|verses?|chorus\w*|bridge section",
    "seed": r"seeds?|random\w*|reproduc\w*|same (?:thing )?again|same result|exact(?:ly the)? same|identical",
    "segments": r"segments?",
    "shifts": r"shifts?",
    "size": r"size|bytes|megabytes|mb|kb|how big|how large",
    "source": r"sources?|upload\w*|originals?|filenames?|file name|input files?|sent",
    "start": r"start (?:time|seconds|point)|starts? at|begins?|offset|first beat|end (?:time|seconds)|which part",
    "status": r"status|state|progress|ready|done|finished|how far|stage",
    "steps": r"steps|diffusion",
    "stems": r"stems?|parts",
    "style": r"styles?",
    "tags": r"tags?",
    "tail": r"tail",
    "technique": r"techniques?|articulation|palm mute\w*|vibrato|bend\w*|pluck\w*",
    "temperature": r"temperatures?|variety|varied|creativ\w*|randomness",
    "tempo": r"tempos?|tempi|bpm|beats (?:a|per) minute|speed|fast|faster|slow|slower|pace",
    "tuning": r"in tune|out of tune|tun(?:ing|ed)|cents|concert pitch|440",
    "velocity": r"velocit(?:y|ies)|hard(?:er)?",
    "weights": r"weights?|checkpoints?|trained",
    "work": r"how long (?:did|does|will|until|till)|took|take so long|estimat\w*|computing time",
}  # fmt: skip
"""Names of what facts tell (``Fact.about``), and what they are called in questions."""

_NOT_HELD = (
    r"lyrics?|sung|sings?|singers?|artists?|bands?|composers?|authors?|titles?|albums?|genres?|moods?|emotion\w*|feelings?|"
    r"weather|prices?|costs?|money|euros?|dollars?|beautiful|good|nice|great|ugly|famous|language|words|year"
)
"""What people ask of music and no record of a job holds."""

DIRECTIONS: Mapping[str, str] = {"louder": "quieter", "quieter": "louder"}
"""Names of where something is to go, and of the other way."""

_SCOPES: Mapping[str, str] = {
    "track1": r"track ?1|track one|first track|1st track",
    "track2": r"track ?2|track two|second track|2nd track|other track",
    "drums": r"drums?|percussion|drummer",
    "bass": r"bass",
    "guitar": r"guitars?",
    "vocals": r"vocals?|voices?",
    "piano": r"pianos?",
    "synth": r"synths?|synthesi[sz]ers?",
    "other": r"other stem|stem other",
    "click": r"click(?: track)?",
}

_ALL_TRACKS = r"(?:each|both|every|either|all|all the|the|the two|two|your|my) tracks?|tracks"

_SAYING_NOTHING = """
a an the this that these those it its is was were are be been being am do does did has have had can could may might
will would shall must of in on at to from by for with without about into between over under as and or but not no yes
if then than so such there here what which who whom whose where how why when i me my we us our you your he she they
them their tell explain describe show give say know please want like need get got let one two some any all each
every both only just also too very really quite much many more most less lot bit up down out off again job jobs song
songs music audio track tracks sound sounds thing things piece recording result results value values number output
outputs thanks exact exactly precisely kind sort way go goes going come comes use uses using play played playing
hello hi hey actually set ask asked take takes took put made make making nt s re ll ve t doing happen happens
service system project info information details detail anything something everything nothing whole entire overall
own same new old current first second last long seconds minutes next before after during since until now today yet
still already
"""
"""Words that say nothing of what is asked about."""


@cache
def topics() -> Mapping[Topic, re.Pattern[str]]:
    """The words of each topic."""
    return {topic: _words(pattern) for topic, pattern in _TOPICS.items()}


@cache
def names() -> Mapping[str, re.Pattern[str]]:
    """The words of each name that facts are about."""
    return {name: _words(pattern) for name, pattern in _NAMES.items()}


@cache
def scopes() -> Mapping[str, re.Pattern[str]]:
    """The words for the tracks, and for stems that any job may have."""
    return {scope: _words(pattern) for scope, pattern in _SCOPES.items()}


def words_for(scope: str) -> re.Pattern[str]:
    """The words for a track or stem by its own name; a bridge is called by its ratio as well."""
    return _words(re.sub(r"^bridge ", "(?:bridge|ratio)(?: at| of)? ", scope.replace(".", r"[.]")))


@cache
def all_tracks() -> re.Pattern[str]:
    """The words for every track that there is."""
    return _words(_ALL_TRACKS)


@cache
def not_held() -> re.Pattern[str]:
    """The words for what no record holds."""
    return _words(_NOT_HELD)


@cache
def saying_nothing() -> frozenset[str]:
    """The words that say nothing of what is asked about."""
    return frozenset(_SAYING_NOTHING.split())


def _words(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w)(?:{pattern})(?!\w)")
