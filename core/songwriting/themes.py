"""What a theme's words say: a mood, images, rhymes and the rhythm of a title.

The lists are English and small, and our own; of words that they lack nothing is made up: the writer is asked instead.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from dataclasses import dataclass

from core.songwriting.moods import MoodName

_TITLE_WORDS = 6
_SUBJECT_CHARACTERS = 60
_WORD = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)*")
_VOWELS = re.compile(r"[aeiouyàâäáãåèéêëìíîïòóôöõùúûüýœæ]+")
_WITHOUT_MEANING = (
    "a about after all am an and are as at be been but by can come do for from get go goes going had has have he her "
    "his i if in into is it its just let like me my no not of on or our out over she so some song than that the their "
    "them then there they this to too under up us was we were what when where who will with you your"
)
_STOP_WORDS = frozenset(_WITHOUT_MEANING.split())

_MOOD_WORDS: dict[MoodName, str] = {
    "happy": "sun sunny sunshine summer party dance dancing smile laugh laughing friend friends holiday birthday joy "
    "fun happy beach play kids puppy weekend",
    "sad": "rain tears tear cry crying goodbye lost lonely alone loss grief broken heartbreak sad gone missing leaving "
    "funeral empty sorrow",
    "calm": "sea ocean lake river garden sleep lullaby peace quiet calm still snow breath breeze tea evening forest",
    "energetic": "run running race fire drive driving fast jump city neon thunder electric speed motorbike game",
    "hopeful": "hope morning dawn sunrise spring tomorrow new begin beginning start light rise bird seed grow healing",
    "romantic": "love lover kiss heart rose wedding darling valentine together arms eyes marry honey",
    "nostalgic": "autumn summer rain memory memories childhood yesterday old home school grandmother grandfather "
    "letter photograph remember past ago village hometown",
    "dreamy": "dream dreams dreaming cloud clouds moon moonlight stars star sky float space night fog mist",
    "dark": "dark darkness ghost grave shadow shadows wolf death winter cold midnight blood nightmare haunted",
    "tense": "war storm fear waiting danger chase secret lie lies anger angry trial fight escape clock",
    "triumphant": "win winning victory hero champion mountain freedom free glory brave strong crown summit proud",
}
_MOODS_OF: dict[str, list[MoodName]] = {}
for _mood, _line in _MOOD_WORDS.items():
    for _each in _line.split():
        _MOODS_OF.setdefault(_each, []).append(_mood)

IMAGES: dict[str, tuple[str, ...]] = {
    "rain": ("drops racing down a window", "the smell of wet asphalt", "a shared umbrella"),
    "summer": ("heat above the road", "an open window at night", "salt on the skin"),
    "sea": ("foam around the ankles", "a gull that hangs in the wind", "the horizon going dark"),
    "ocean": ("foam around the ankles", "a ship that gets smaller", "salt on the lips"),
    "night": ("one window still lit", "a street lamp that hums", "footsteps a block away"),
    "morning": ("the first cup of coffee", "light on the kitchen floor", "a bird before the alarm"),
    "love": ("two cups on one table", "a name on a fogged window", "a hand that finds another in the dark"),
    "home": ("a key that turns in the lock", "shoes by the door", "the third stair that creaks"),
    "winter": ("breath in the air", "tracks in fresh snow", "a scarf that still smells of someone"),
    "snow": ("a street without a sound", "one set of tracks", "flakes in a headlight"),
    "autumn": ("leaves in the gutter", "a coat from the back of the wardrobe", "smoke over gardens"),
    "spring": ("mud on new shoes", "a window opened for the first time", "buds on a bare branch"),
    "city": ("neon in a puddle", "the last train", "a lift that stops on every floor"),
    "road": ("white lines under the wheels", "a petrol station at night", "a map with a coffee stain"),
    "train": ("a forehead against the glass", "names of stations", "the gap between platform and door"),
    "mother": ("her handwriting on a list", "a song hummed in another room", "flour on an apron"),
    "father": ("his hands on the wheel", "a jacket on the hook", "a joke told too often"),
    "friend": ("a bench that is always the same", "half of a sandwich", "a laugh that carries"),
    "friends": ("too many people in a small car", "a table carved with names", "songs sung out of tune"),
    "dream": ("a door that was not there before", "running without moving", "a face one cannot hold on to"),
    "stars": ("a blanket on a roof", "one light that moves", "a neck gone stiff from looking up"),
    "moon": ("a silver stripe on the water", "shadows at midnight", "a face at the window"),
    "fire": ("sparks going up", "faces lit from below", "smoke in the hair"),
    "river": ("a stone that skips three times", "shoes left on the bank", "reeds that bend"),
    "garden": ("soil under the nails", "beans climbing a string", "the squeak of a gate"),
    "grandmother": ("a tin of buttons", "a chair by the window", "recipes without measures"),
    "sun": ("freckles", "a shirt stuck to the back", "shade that gets shorter"),
    "mountain": ("the last bend of the path", "thin air", "a valley gone small"),
    "heart": ("a beat in the ears", "a hand on the ribs", "a locked drawer"),
    "goodbye": ("a hand against the glass", "a suitcase by the door", "the taxi's tail lights"),
    "childhood": ("grass stains on knees", "a bicycle too large", "a name called for supper"),
}
"""Images for words that songs are often about."""

_RHYMES = tuple(
    tuple(line.split())
    for line in (
        "rain again train pain lane plane stain remain chain",
        "night light sight right bright tonight flight white",
        "day away stay way say play gray delay",
        "heart apart start art part chart",
        "love above dove glove",
        "home alone phone stone unknown own",
        "sea free me be tree key memory",
        "moon soon tune june afternoon",
        "star far are car guitar scar",
        "stars cars bars scars guitars",
        "fire desire higher wire liar choir",
        "dream stream seem gleam scream",
        "dreams streams seems screams",
        "sky high why goodbye cry fly",
        "sun run one done begun won",
        "road load slowed showed code",
        "town down brown crown frown",
        "friend end send bend mend",
        "friends ends sends bends mends",
        "snow go know slow ago glow",
        "time rhyme climb chime",
        "hand stand sand land understand",
        "eyes skies rise lies goodbyes surprise",
        "spring sing ring bring thing",
        "blue you true through new knew",
        "gold old cold hold told",
        "song long wrong along strong",
        "ocean motion devotion commotion",
        "morning warning mourning",
        "river shiver deliver giver",
        "mother brother another other",
        "winter splinter sprinter",
        "summer drummer newcomer",
        "city pretty pity gritty",
    )
)


@dataclass(frozen=True)
class Theme:
    """What a song is about.

    Attributes:
        text: as it was sent, with single blanks.
        title: its first words, capitalised.
        subject: short enough to stand in a sentence.
        words: those that carry meaning, in small letters, each once.
    """

    text: str
    title: str
    subject: str
    words: tuple[str, ...]


def read_theme(text: str) -> Theme:
    """Look at a theme's words."""
    tidy = " ".join(text.split())
    found = _WORD.findall(tidy)
    title = " ".join(word[:1].upper() + word[1:] for word in found[:_TITLE_WORDS])[:_SUBJECT_CHARACTERS]
    subject = tidy if len(tidy) <= _SUBJECT_CHARACTERS else title
    spoken = [re.sub("['\u2019]s$", "", word.lower()) for word in found]
    telling = [word for word in spoken if word not in _STOP_WORDS] or spoken
    return Theme(tidy, title, subject, tuple(dict.fromkeys(telling)))


def seed_of(text: str) -> int:
    """A seed for a theme, whatever its case and blanks, from 0 to 2⁴⁸ - 1."""
    tidy = " ".join(text.casefold().split())
    return int.from_bytes(hashlib.sha256(tidy.encode()).digest()[:6], "big")


def mood_of(theme: Theme) -> MoodName | None:
    """The mood that most of the theme's words have, of equal ones that of the first word; None if no word has any."""
    votes = Counter(mood for word in theme.words for mood in _MOODS_OF.get(word, ()))
    return votes.most_common(1)[0][0] if votes else None


def images_of(theme: Theme) -> list[str]:
    """Images for the words that are known."""
    return [image for word in theme.words for image in IMAGES.get(word, ())]


def words_without_images(theme: Theme) -> list[str]:
    """The first of the words for which the writer has to find images."""
    return [word for word in theme.words if word not in IMAGES][:_TITLE_WORDS]


def rhymes_of(theme: Theme) -> list[str]:
    """Words that rhyme with the last word that rhymes with anything known."""
    for word in reversed(theme.words):
        for family in _RHYMES:
            if word in family:
                return [other for other in family if other != word]
    return []


def syllables(word: str) -> int:
    """How many a word has, by its groups of vowels: an estimate that suits most English words."""
    lower = word.lower()
    groups = len(_VOWELS.findall(lower))
    silent = lower.endswith("e") and not lower.endswith(("le", "ee", "ye")) and groups > 1
    return max(1, groups - silent)


def title_rhythm(theme: Theme) -> list[float]:
    """A note for each of the title's syllables, in beats: 1 for a word's first, 0.5 for its others, 2 for the last."""
    beats = [beat for word in theme.title.split() for beat in [1.0] + [0.5] * (syllables(word) - 1)]
    return [*beats[:-1], 2.0]
