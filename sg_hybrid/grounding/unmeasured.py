"""Claims about what nobody measured: the body, the mood, the gear, the hands, and how good a timing was. Pure.

A sentence says nothing of the player's body, mood, gear or technique, neither as it is (`your wrist is tense`) nor as
a cause (`due to slow chord changes`). What to do with them may be said: `relax your wrist`.

A timing is praised only where it was measured and is no FAIL, and blamed only where it was measured and some finding
is about it. Of a clave that was not measured nothing is told.
"""

from __future__ import annotations

import re
from itertools import chain
from typing import Final

from sg_hybrid.errors import AiRejected

from .known import Known
from .words import Words, vocabulary

_HIDDEN: Final = (
    r"(?:wrists?|hands?|fingers?|thumbs?|pinky|muscles|arms?|forearm|elbow|shoulders?|neck|jaw|posture|body|mind"
    r"|breath(?:ing)?|tension|nerves|mood|fatigue|concentration|attention|grip(?:ping)?|pick|plectrum|strings?|guitar"
    r"|cable|amp|tuning|tone|sound|dynamics|technique|fingering|fretting|picking|strumming|phrasing|articulation"
    r"|voicings?|latency|buffer|interface|speakers?|headphones|swing(?: ratio)?|(?:chord )?(?:changes?|switch(?:es)?))"
)
_MOODS: Final = (
    r"(?:tense|tired|nervous|anxious|stressed|distracted|exhausted|bored|impatient|stiff|unfocused|hesitant|afraid"
    r"|unsure|overthinking|thinking too)"
)
_STATE: Final = (
    rf"(?:{_MOODS}|tight|rigid|cramped|heavy|sloppy|thin|weak|slow|lazy|loose|relaxed|muddy|harsh|uneven|dirty|clumsy"
    r"|messy|noisy|old|worn|too \w+|out of tune|not \w+)"
)
_IS: Final = r"(?:is|are|was|were|seems?|seemed|feels?|felt|sounds?|sounded|looks?|looked|gets?|got|stays?|stayed)"
_HOW: Final = r"(?:\w+ ){0,2}"
_FIRST: Final = (
    r"(?:^|[.!?;] )(?:(?:a|an|what|such|really|super|very|nice|so|pretty|rather|quite|slightly|but|and) )*a? ?"
)
"""How a sentence begins that is no order: `Such a …`."""
_NO_ORDER: Final = r"(?=[!.,;]|$| (?:in|this|throughout|all|overall|from|today|and|so far)\b)"
"""After `Tight groove`; not: `Tight groove comes from the foot`."""
_STATED: Final = re.compile(
    rf"\b(?:your|the) {_HOW}{_HIDDEN} (?:on [\w ]+ )?(?:{_IS} {_HOW}{_STATE}"
    r"|can't|cannot|doesn't|don't|didn't|tenses?|tensed|tightens?|locks? up|locked up|freezes|froze|lags?|arrives?)\b"
    rf"|\b(?:you(?:'re| are| were| seem(?:ed)?| looked| sound(?:ed)?| got| felt)|you played) {_HOW}{_MOODS}\b"
    rf"|{_FIRST}(?:nice|beautiful|great|clean|lovely|good|warm|clear) (?:\w+ )?"
    rf"(?:tone|dynamics|changes|sound|technique|phrasing|articulation|voicings?)\b{_NO_ORDER}"
    r"|\byou (?:played|strummed|picked|hit)(?: \w+){0,2} (?:too (?!few)\w+|louder|softer|quieter|harder|lighter)\b"
    r"|\byou (?:left out|omitted|swung)\b"
    rf"|\byou (?:played|hit|struck|used) {_HOW}wrong\b"
    rf"|\byou (?:missed|forgot|fluffed|skipped) {_HOW}(?:chords?|changes?)\b"
)
_CAUSE: Final = (
    r"\b(?:because|due to|caused by|thanks to|owing to|result of|that's why|that is why|which is why|hence|blame"
    r"|reason (?:is|was)|since (?:you|your)|as (?:you're|you are|you were|you felt))\b"
)
_CAUSED: Final = re.compile(
    rf"{_CAUSE}[^.!?;:,]*\b(?:{_HIDDEN}|{_MOODS})\b|\b(?:{_HIDDEN}|{_MOODS})\b[^.!?;:]*{_CAUSE}"
    r"|\b(?:late\w*|early|rush\w*|drag\w*|timing|beats?|swing|groove|feel|error\w*|notes|on (?:one|two|three|four))\b"
    rf"[^.!?;:]* (?:comes?|came|stems?|stemmed) from [^.!?;:]*\b(?:{_HIDDEN}|lifting|hitting|holding)\b"
    rf"|\b(?:your|the|by|a) {_HOW}{_HIDDEN} (?:\w+ ){{0,4}}"
    r"(?:makes? you|made|causes?|caused|pulls? (?:you|the)|pulled|pushed|slow(?:s|ed)? you|costs? you|cost you"
    r"|is what|is why|is behind|is where you)\b"
    rf"|\bit(?:'s| is) (?:your|the) {_HOW}{_HIDDEN} (?:that|which)\b"
    r"|\byou(?: \w+)? (?:drag|rush|lag|hurry)(?:s|ged|ed)?(?: \w+){0,2} when(?:ever)?\b"
    r"|\b(?:costs?|slow(?:s|ed)?|trips?|tripped|throws?|threw|pulls?|pulled) you"
    r" (?:\w+ )?(?:time|down|up|off|back|out)\b"
    r"|\b(?:tension|fatigue|nerves)\b[^.!?;:]* (?:makes?|made|causes?|caused|pulls?|pulled|slows?|slowed)\b"
)
"""`because your hand is stiff`, `your left hand can't keep up, hence the drag`, `tension makes you drag`."""

_TIME: Final = (
    r"(?:timing|time(?: feel|keeping)?|rhythm|pulse|groove|playing|strums?|strokes?|strumming|notes|chords|beat"
    r"|consistency|sense of time)"
)
_GOOD: Final = (
    r"(?:rock[ -]solid|rock[ -]steady|solid|steady|tight|even|locked in|flawless|perfect|spot on|dead on|great"
    r"|excellent|superb|precise|accurate|consistent|stable|secure|strong|clean|good|lovely|fine|well placed"
    r"|impressive|confident|on point|on the money|in the pocket)"
)
_BAD: Final = (
    r"(?:shaky|loose|uneven|wobbly|sloppy|unsteady|inconsistent|erratic|rough|ragged|scattered|all over the place"
    r"|bad|poor|weak|off|messy)"
)
_OF_IT: Final = rf"\b(?:your|the|that|this) {_HOW}{_TIME} {_HOW}(?:{_IS}|sat|sits|held|holds|kept|remained|came out)"
_YOU: Final = r"\byou(?:'re|'ve| are| were| have| had)?(?: \w+ly)?"
_PRAISE: Final = re.compile(
    rf"{_OF_IT} {_HOW}{_GOOD}\b|\b(?:the|your) (?:pulse|groove|time|timing|rhythm) never (?:moved|wavered)\b"
    rf"|{_FIRST}{_GOOD},? {_HOW}{_TIME}\b{_NO_ORDER}|{_FIRST}(?:tight|steady|even|rock[ -]solid) (?:take|one|round)\b"
    rf"|{_YOU} (?:kept|held|keep|hold|had|have|nailed|showed|played with) {_HOW}{_GOOD} {_HOW}{_TIME}\b"
    rf"|{_YOU} (?:locked in|glued to the|nailed (?:it|the)|(?:right )?(?:in the pocket|on the money|on time)"
    r"|(?:stayed|sat|played|were) (?:right )?(?:[io]n time|in the pocket|on the (?:beat|click|grid)|with the click)"
    rf"|played {_HOW}(?:tightly|steadily|evenly|in time|tight|steady))\b"
    rf"|{_FIRST}(?:\w+ )?in the pocket\b|\b{_IS} (?:\w+ )?(?:spot on|on the money|on point)\b"
    r"|\b(?:every|each|all(?: of)?)(?: \w+){0,3} (?:landed|sat|fell|lands|sits) (?:right )?(?:where|in the right)\b"
)
_HELD: Final = re.compile(r"\b(?:the|your) (?:pulse|groove|time|timing|rhythm) (?:\w+ )?(?:held|holds)\b")
_BLAME: Final = re.compile(
    rf"{_OF_IT} {_HOW}{_BAD}\b|{_FIRST}{_BAD},? {_HOW}{_TIME}\b{_NO_ORDER}|\b{_IS} {_HOW}all over the place\b"
    rf"|{_YOU} (?:kept|had|have|played with) {_HOW}{_BAD} {_HOW}{_TIME}\b"
    rf"|\byou struggled [^.!?;:]*(?:click|beat|time|grid)\b|\btiming (?:is|was) your weak"
    rf"|\byour {_HOW}(?:timing|time|rhythm|pulse|groove) (?:\w+ )?needs (?:\w+ )?(?:work|care|attention|help)\b"
)
_CLAVE: Final = re.compile(
    r"\byou(?:'ve| have)?(?: \w+ly)? (?:met|hit|nailed|missed|lost|found|held|followed) (?:\w+ ){0,2}clave\b"
    rf"|\b(?:your|the) clave (?:\w+ )?(?:{_IS}|held|holds|slipped|slips|drifted|locked)\b"
)
_BODY: Final = vocabulary(
    """
    wrist wrists arm arms forearm elbow shoulder shoulders thumb pinky muscles neck jaw posture breath tension fatigue
    nerves nervousness stress mood
    """
)
_STRAIN: Final = vocabulary("tension fatigue nerves nervousness stress")
_RELEASING: Final = vocabulary(
    """
    let release releasing without avoid drop shake relax no less lose free ease easing check notice any if watch melt
    """
)
_STEADY: Final = vocabulary(
    "steady steadily tight tightly solid evenly pocket flawless precise accurate consistent stable timed locked"
)
_SHAKY: Final = vocabulary("shaky uneven unevenly wobbly sloppy unsteady inconsistent erratic ragged")
_PRAISING: Final = vocabulary("excellent great good nice lovely strong perfect wonderful impressive love")
_OF_TIME: Final = vocabulary("time timing groove pulse rhythm click beat eighths")
_CLAIMING: Final = vocabulary("your you you're you've the that that's this it it's i i'm timing")
"""A clause that begins so tells something; others give an order (`drop your shoulders`)."""
_TELLING: Final = vocabulary(
    """
    was were is are kept held had have stayed sat played sounded sounds felt feels looked nailed locked landed keeping
    staying you're you've that's it's hear hold strum gets got does
    """
)
_BRIEF: Final = 5
"""So many words at most has a sentence that judges without a verb (`Really steady this time!`)."""
_NO_VERB: Final = _STEADY | _SHAKY | _PRAISING | vocabulary("really very so super well rock timing")
_MEANT_TO_BE: Final = vocabulary(
    """
    until till so let make makes when if once whether where how keep want need needs should will would can could may
    might don't avoid goal aim task job idea point way without no first then to next wants
    """
)
_HIDDEN_WORDS: Final = vocabulary(
    """
    wrist wrists hand hands finger fingers thumb pinky muscles arm arms forearm elbow shoulder shoulders neck jaw
    posture body mind breath breathing tension nerves mood fatigue concentration attention grip gripping pick plectrum
    strings string guitar cable amp tuning tone sound dynamics technique fingering fretting picking strumming phrasing
    articulation voicing voicings swing changes change switch tense tired nervous anxious stressed distracted exhausted
    bored impatient stiff unfocused hesitant afraid unsure overthinking thinking wrong chord chords latency buffer
    interface speaker speakers headphones too louder softer quieter harder lighter left omitted swung when whenever
    cost costs slow slows slowed trips trip tripped throws threw pulls pulled
    """
)
_JUDGING: Final = vocabulary(
    """
    timing time timekeeping rhythm pulse groove playing strum strums stroke strokes strumming notes chords beat pocket
    locked nailed glued click landed sat fell lands sits consistency tight steady even solid tightly steadily evenly
    place money spot point clave rock timed flawless precise accurate consistent stable shaky uneven unevenly wobbly
    sloppy unsteady inconsistent erratic ragged eighths time
    """
)
"""Without any of its words a text does not match what stands above."""
_WISHED: Final = re.compile(
    r"\b(?:until|till|so|let|make|makes|when|if|once|whether|where|how|keep|aim\w*|want|check|feel|notice"
    r"|should|will|would|can|could|may|might|don't|avoid)\b"
)
_SENTENCE: Final = re.compile(r"[^.!?;:]*\Z")
_ABOUT_TIMING: Final = frozenset({"TIMING_P95_HIGH", "GRID_ADHERENCE_LOW", "CLAVE_ALIGNMENT_LOW"})


def check_unmeasured(words: Words, known: Known) -> None:
    """Raise AiRejected for a claim about what nobody measured."""
    if not _BODY.isdisjoint(words.vocabulary) and (_tells_of(words, _BODY) or _tells_of_strain(words)):
        raise AiRejected("how the player's body was, which nobody measured")
    if not _HIDDEN_WORDS.isdisjoint(words.vocabulary):
        found = chain(_STATED.finditer(words.text), _CAUSED.finditer(words.text))
        if any(not _is_wished(words.text, one) for one in found):
            raise AiRejected("a state or a cause that nobody measured: of the body, the mood, the gear or the hands")
    if not _JUDGING.isdisjoint(words.vocabulary):
        _check_judged(words, known)


def _tells_of_strain(words: Words) -> bool:
    """`Fatigue shows on beat 2`, but not `let go of any tension`."""
    strained = (index for index, word in enumerate(words.words) if word in _STRAIN)
    return any(_RELEASING.isdisjoint(words.before(index, 8)) for index in strained)


def _check_judged(words: Words, known: Known) -> None:
    text = words.text
    may_be_praised = known.timing_was_measured and known.worst_of("TIMING_P95_HIGH") != "FAIL"
    may_be_blamed = known.timing_was_measured and any(known.worst_of(code) for code in _ABOUT_TIMING)
    for pattern, allowed in (
        (_PRAISE, may_be_praised),
        (_HELD, known.timing_was_measured),
        (_BLAME, may_be_blamed),
        (_CLAVE, known.number("clave_hit_pct") is not None),
    ):
        if not allowed and any(not _is_wished(text, one) for one in pattern.finditer(text)):
            raise AiRejected("a judgement of the timing that the findings do not give")
    told = (_STEADY, may_be_praised), (_SHAKY, may_be_blamed)
    praised = _PRAISING if not _OF_TIME.isdisjoint(words.vocabulary) else frozenset()
    if any(not allowed and _tells_of(words, said, brief=True) for said, allowed in told) or (
        praised and not may_be_praised and _tells_of(words, praised, beside=_OF_TIME)
    ):
        raise AiRejected("a judgement of the timing that the findings do not give")


def _tells_of(words: Words, said: frozenset[str], *, brief: bool = False, beside: frozenset[str] = frozenset()) -> bool:
    """Whether a clause tells of one of these words: it begins like a claim, has a verb for it, and wishes nothing."""
    for sentence in words.sentences:
        for clause in words.clauses(sentence):
            found = words.words[clause.start : clause.stop]
            at = next((index for index, word in enumerate(found) if word in said), None)
            if at is None or "?" in found or (beside and beside.isdisjoint(found)):
                continue
            claims = found[0] in _CLAIMING and not _TELLING.isdisjoint(found)
            if claims and _MEANT_TO_BE.isdisjoint(found[:at]):
                return True
        plain = [word for index in sentence if (word := words.words[index])[0].isalpha()]
        judges = brief and len(plain) <= _BRIEF and not said.isdisjoint(plain) and plain[0] in _NO_VERB
        if judges and (_MEANT_TO_BE | {"is", "are"}).isdisjoint(plain):
            return True
    return False


def _is_wished(text: str, found: re.Match[str]) -> bool:
    """`until your wrist is loose`, `check that the strings are in tune`: what stands before it in its sentence."""
    before = _SENTENCE.search(text, 0, found.start())
    return before is not None and _WISHED.search(before.group()) is not None
